"""What the harness raises for its user: one line that names the value and the way out.

BenchError                internal or environmental, exit code 70 unless a subclass says else
  BadArguments            a value that cannot be used, exit code 64
  InvalidResults          a results directory or history that cannot be read, exit code 2
  TrialError              a trial that could not be conducted
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line (docs/results.md)."""

    KEPT = 0
    BROKEN = 1
    INVALID = 2
    BAD_ARGUMENTS = 64
    INTERNAL = 70
    INTERRUPTED = 130


class BenchError(Exception):
    """The root of what the harness raises on purpose."""

    exit_code = Exit.INTERNAL


def told(error: BaseException) -> str:
    """What an exception says behind the name of its class; the name alone where it says nothing."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


class BadArguments(BenchError):
    """A value from the user that cannot be used."""

    exit_code = Exit.BAD_ARGUMENTS


class InvalidResults(BenchError):
    """A file or directory of results that cannot be read as such."""

    exit_code = Exit.INVALID


class TrialError(BenchError):
    """A trial could not be conducted at all; the message says which part failed."""
