"""The periods of a clustered scheduler, and when it takes another instance for dead."""

from dataclasses import dataclass

from strategies.model import Timing


@dataclass(frozen=True)
class QuartzTiming:
    """All periods in seconds; `batch` is how many triggers one acquisition may take.

    `idle_s` is both the longest sleep between two acquisitions and how far an acquisition looks
    ahead, as Quartz's idleWaitTime; `misfire_s` is how late a trigger may be before its misfire
    policy decides; `retry_s` is the wait after the database was lost.
    """

    check_in_s: float
    grace_s: float
    idle_s: float
    retry_s: float
    misfire_s: float
    batch: int

    @classmethod
    def of(cls, timing: Timing) -> "QuartzTiming":
        """The periods of a profile. `equal`: check-in + grace is the lease that all share."""
        if timing.profile == "vendor":
            return VENDOR
        if timing.profile == "guide":
            return GUIDE
        lease_s = timing.lease_s
        return cls(
            check_in_s=lease_s / 3,
            grace_s=lease_s * 2 / 3,
            idle_s=lease_s / 10,
            retry_s=lease_s / 10,
            misfire_s=0.0,
            batch=100,
        )

    @property
    def lease_s(self) -> float:
        """How long a silent instance is still trusted."""
        return self.check_in_s + self.grace_s

    @property
    def call_s(self) -> float:
        """The longest a call may take: one that hangs must not cost a check-in."""
        return self.check_in_s * 0.75

    def failed_before_ms(self, now_ms: int, previous_ms: int) -> int:
        """An instance whose last check-in is older than this is dead; milliseconds.

        Quartz's rule: dead when its check-in + max(interval, time since my own previous check-in)
        + grace lies in the past. An instance that was itself away doubts itself first.
        """
        patience_ms = max(self.check_in_s * 1000, now_ms - previous_ms) + self.grace_s * 1000
        return int(now_ms - patience_ms)


# JobStoreSupport and QuartzSchedulerThread, Quartz 2.5: clusterCheckinInterval 7500, the fixed
# 7500 added to it, idleWaitTime 30000, dbRetryInterval 15000, misfireThreshold 60000, batch 1.
VENDOR = QuartzTiming(7.5, 7.5, 30.0, 15.0, 60.0, 1)

# The common guides set the check-in to 5 s and leave the rest.
GUIDE = QuartzTiming(5.0, 7.5, 30.0, 15.0, 60.0, 1)
