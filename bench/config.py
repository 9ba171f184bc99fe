"""What an instance is told, in one JSON file; any program that reads it can be an instance.

docs/instances.md describes the file, the events an instance appends and the ledger's protocol.
"""

from pathlib import Path

import msgspec

from strategies.model import Job, Timing


class Work(msgspec.Struct, frozen=True):
    """How long the runs of a job take (seconds), how they spread, and how often they fail.

    `spread` 0.2 means uniformly within +-20 % of `duration_s`. `failure_rate` is per run. A job
    with `flaps_s` works and fails by turns, that many seconds each, by its fires' due times. A
    run holds `memory_mb` while it lasts, and fails when it cannot have them.
    """

    duration_s: float = 0.4
    spread: float = 0.0
    failure_rate: float = 0.0
    flaps_s: float = 0.0
    memory_mb: int = 0

    def fails_at(self, due_ms: int) -> bool:
        """Whether a flapping job fails now: it works and fails by turns, `flaps_s` each."""
        return self.flaps_s > 0 and int(due_ms / 1000 / self.flaps_s) % 2 == 1


class InstanceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration of one instance of a trial.

    `offset_s` added to CLOCK_MONOTONIC gives the trial's clock, in which due times lie; `skew_s` is
    how far this instance's wall clock is wrong. `source` is where the design is found
    ("module:attribute"), so that an instance loads one family and not all. `life` counts the
    processes that have had this name: a relocated instance keeps its identity.
    """

    name: str
    strategy: str
    source: str
    endpoints: dict[str, str]
    namespace: str
    timing: Timing
    seed: int
    jobs: list[Job]
    work: dict[str, Work]
    events: str
    ledger: str
    offset_s: float
    skew_s: float = 0.0
    life: int = 1


def skew_file(config: Path) -> Path:
    """The file beside a configuration that says, in seconds, how far the clock is wrong now.

    A second number, where there is one, is how many seconds it gains a second from now on. An
    instance reads it when it gets SIGUSR1, and removes it when its clock has changed.
    """
    return config.with_suffix(".skew")


def still_file(config: Path) -> Path:
    """The file beside a configuration that says for how long the monotonic clock has stood still.

    Eight bytes, a little-endian double, in seconds; the instance makes it and maps it.
    """
    return config.with_suffix(".still")


def write_config(config: InstanceConfig, path: Path) -> None:
    """Write the file readable by this user only: the endpoints hold credentials."""
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(config))


def read_config(path: Path) -> InstanceConfig:
    """Read what `write_config` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=InstanceConfig)
