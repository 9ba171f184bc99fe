"""What an API server can answer that is not the answer.

ServiceLost       no answer, or none that tells what happened (strategies.errors)
  Busy            429 or 5xx: the server says try again, perhaps when
Refused           the server understood and said no; the message is the server's own
  Forbidden       403: a right is missing; or the server has just started and not read its rules
  NotFound        404
  Conflict        409: somebody else changed or made the object first
  Expired         410: the watch's place in the past is gone; list again
  Invalid         422: the message names the field
"""

from strategies.errors import ServiceLost, StrategyError


class Busy(ServiceLost):
    """The server is overloaded or restarting; `retry_after_s` is its own wish, if it had one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Refused(StrategyError):
    """The server understood the request and refused it."""


class Forbidden(Refused):
    """We have no right to that, or a server that has just started does not know that we have."""


class NotFound(Refused):
    """There is no such object."""


class Conflict(Refused):
    """The object exists already, or was changed since it was read."""


class Expired(Refused):
    """The resourceVersion asked for is too old."""


class Invalid(Refused):
    """The object breaks a rule; the message names the field."""


class BadEndpoint(StrategyError):
    """An endpoint that is no `https://ROLE:TOKEN@HOST:PORT/?ca=FILE`."""


BY_STATUS: dict[int, type[Refused]] = {
    403: Forbidden, 404: NotFound, 409: Conflict, 410: Expired, 422: Invalid,
}  # fmt: skip
