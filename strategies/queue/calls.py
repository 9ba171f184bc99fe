"""How both halves of the queue note their calls."""

from collections.abc import Sequence
from typing import Literal

from strategies.model import Fire
from strategies.notes import Coordinated

Outcome = Literal["won", "lost", "ok", "error"]


def coordinated(
    action: str, seconds: float, outcome: Outcome, fires: Sequence[Fire]
) -> Coordinated:
    """The note of one call that served `fires`: a single one is named, more are counted."""
    if len(fires) == 1:
        job, due_ms = fires[0].job, fires[0].due_ms
        return Coordinated(action=action, seconds=seconds, outcome=outcome, job=job, due_ms=due_ms)
    return Coordinated(action=action, seconds=seconds, outcome=outcome, fires=len(fires))
