"""What can go wrong inside a strategy. "Not acquired" is a return value, never an error."""


class StrategyError(Exception):
    """The root of what this package raises."""


class ServiceLost(StrategyError):
    """The service did not answer, or its answer is unknown. Adapters turn client errors into it.

    A caller must not conclude anything from it but doubt: the operation may have happened.
    """


class JobFailed(StrategyError):
    """A run ended and did not do its work; what follows is the job's retry policy."""


class ScheduleError(StrategyError):
    """A schedule that cannot be read: names the value and what was expected."""
