"""What is asked of a fleet that is up, and its answers: one JSON object a line, in order.

-> {"type": "strike", "fault": "partition", "settings": {"direction": "both"}, "target": "holder"}
<- {"lines": ["#1 partition of i2-ab12, holder of job-0004: heals in 10 s"]}
"""

import msgspec


class Strike(msgspec.Struct, tag="strike", frozen=True, omit_defaults=True):
    """Inject the fault `fault` (with its `settings`) into `target`, now.

    It heals after `for_s` seconds, or when asked to where that is None; who was killed starts again
    then. `job` narrows a holder to the holder of that job.
    """

    fault: str
    target: str
    settings: dict[str, float | str] = {}
    job: str = ""
    for_s: float | None = None


class Heal(msgspec.Struct, tag="heal", frozen=True, omit_defaults=True):
    """Heal the faults of these numbers; all of them where none is named."""

    ids: list[int] = []


class Tell(msgspec.Struct, tag="tell", frozen=True):
    """Answered with what is injected, since when, and when it heals."""


class Stop(msgspec.Struct, tag="stop", frozen=True):
    """End the fleet; answered when it has ended and its results are kept."""


Request = Strike | Heal | Tell | Stop


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Lines to be shown, or the one line of an error."""

    lines: list[str] = []
    error: str = ""
