"""The periods of a queue, from the one knob of timing."""

from dataclasses import dataclass

from strategies.model import Timing


@dataclass(frozen=True)
class QueueTiming:
    """How long a message stays its worker's, how often it is extended, when a failure is retried.

    All in seconds. `visibility_s`: a message not extended for so long is delivered to another
    worker. The defaults are those that people run: 30 s is the visibility time of Amazon SQS (its
    developer guide) and of many a lock; the back-off, 30 s doubled with every try up to 15 minutes,
    is what guides to job queues print.
    """

    visibility_s: float = 30.0
    backoff_s: float = 30.0
    backoff_max_s: float = 900.0

    @classmethod
    def of(cls, timing: Timing) -> "QueueTiming":
        """`equal`: visibility is the lease L; `vendor` and `guide`: the defaults.

        Under `equal` the back-off starts at L/2: 30 s would outlast a trial.
        """
        if timing.profile != "equal":
            return cls()
        lease_s = timing.lease_s
        return cls(visibility_s=lease_s, backoff_s=lease_s / 2, backoff_max_s=15 * lease_s)

    @property
    def extend_s(self) -> float:
        """Between two extensions of what a worker holds: a quarter, so that two may fail."""
        return self.visibility_s / 4

    @property
    def claim_s(self) -> float:
        """Between two looks for messages of dead workers and for retries that are due."""
        return self.visibility_s / 4

    @property
    def call_s(self) -> float:
        """The longest one call may take, well below the visibility."""
        return self.visibility_s / 8

    @property
    def trusted_s(self) -> float:
        """How long after the start of a successful extension a worker may act on it.

        The margin, a quarter, covers a call that hangs until its timeout and the pause after it:
        the run is cancelled before anybody else can have been given the message.
        """
        return self.visibility_s * 3 / 4

    @property
    def wait_s(self) -> float:
        """The longest blocking read: it also bounds how soon a worker sees that it must stop."""
        return min(self.claim_s, 1.0)

    def backoff(self, tries: int) -> float:
        """Seconds to wait after the failure of try number `tries` (from 1)."""
        doublings = min(tries - 1, 64)  # beyond, a float would overflow long after the maximum
        return min(self.backoff_s * 2.0**doublings, self.backoff_max_s)
