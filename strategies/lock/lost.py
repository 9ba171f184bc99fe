"""What an instance does while its lock service is lost: nothing, everything, or its appointed part.

    skip         no lock, no run: fires due meanwhile are late or never run (the default)
    run-anyway   once the circuit is open, every instance runs every fire itself, without a lock
    designated   as run-anyway, but only on one instance, chosen beforehand and not by the service

The circuit opens when no call was answered for one lease, and closes with the next answer: by then
every owner has stepped down, so that no run of before the loss goes on beside one of after it.

The designated instance is the one whose host has the ordinal 1 ("app-1", "i1-3fa2"), as the pods
of a stateful set have: a choice of the deployment, known without asking anybody.

NOT guaranteed. An instance that is merely cut off takes the service for lost: with run-anyway it
runs everything beside the others, with designated it does so if it is the one. While the designated
instance is down nobody runs anything. The service never learns of these runs: what is open there
when it comes back is run again.
"""

import re
from typing import Literal

WhenLost = Literal["skip", "run-anyway", "designated"]

_ORDINAL_1 = re.compile(r"\D*1(-|$)")


class Circuit:
    """Whether the service is lost, as one instance sees it, and whether it may run without it.

    Times are the instance's monotonic clock, in seconds.
    """

    def __init__(self, when_lost: WhenLost, name: str, opens_after_s: float) -> None:
        chosen = when_lost == "run-anyway" or bool(_ORDINAL_1.match(name))
        self._alone = when_lost != "skip" and chosen
        self._opens_after_s = opens_after_s
        self._failing_since_s: float | None = None

    def answered(self) -> None:
        """A call was answered, whatever it said."""
        self._failing_since_s = None

    def failed(self, asked_s: float) -> None:
        """The call begun at `asked_s` was not answered."""
        if self._failing_since_s is None:
            self._failing_since_s = asked_s

    def runs_alone(self, now_s: float) -> bool:
        """Whether a fire may be run without a lock now."""
        since_s = self._failing_since_s
        return self._alone and since_s is not None and now_s - since_s >= self._opens_after_s
