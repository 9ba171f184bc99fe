"""The maps there are: what lies along each axis, which trial is run at a point, what counts as bad.

All lengths are seconds. A row of a map has one `y`; along it `x` is searched for where it goes bad.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.config import Work
from bench.errors import BadArguments
from bench.workload import Workload, default_workload
from strategies.catalogue import nearest
from strategies.interface import Design
from strategies.model import Timing

JOBS = 3
PERIOD_S = 1.0
HELD_AGAIN = 2  # how many periods a skew lasts

TWICE = ("duplicate", "overlap")
LOST = ("late", "missed", "skipped", "interrupted", "recovered", *TWICE)


@dataclass(frozen=True)
class Kind:
    """One kind of map.

    `scenario(x, y)` is the trial's scenario as TOML (docs/scenarios.md). A trial is bad when a fire
    of it has an outcome or a flag in `bad`; `word` says so in a few words. `reach` bounds x in
    multiples of y. `theory(design, y)` gives from which x trials may go bad, and from which they
    must.
    """

    name: str
    summary: str
    x_axis: str
    y_axis: str
    word: str
    bad: tuple[str, ...]
    reach: tuple[float, float]
    scenario: Callable[[float, float], str]
    workload: Callable[[float], Workload]
    timing: Callable[[float], Timing]
    theory: Callable[[Design, float], tuple[float, float]]
    theory_words: str
    usual: tuple[float, ...]
    whole: tuple[float, ...]

    @property
    def rows_are_leases(self) -> bool:
        """Whether y is a lease, which has a shortest length."""
        return self.y_axis.startswith("lease")

    def rows(self, design: Design) -> tuple[float, ...]:
        """The values of y where none are asked for; etcd's leases are whole, from 2 s on."""
        return self.whole if "etcd" in design.services else self.usual


def _scenario(summary: str, stress: str, fault: str, target: str, heal_s: float) -> str:
    return f"""summary = "{summary}"
stress = "{stress}"

[[faults]]
fault = {{ {fault} }}
target = "{target}"
after = "1s"
jitter = "700ms"
heal = {{ after = "{heal_s:.4f}s" }}
"""


def _pause(x: float, y: float) -> str:
    summary = f"The holder is stopped for {x:g} s."
    return _scenario(summary, "pause", 'kind = "pause"', "holder", x)


def _skew(x: float, y: float) -> str:
    summary = f"One instance's clock is {x:g} s behind for {HELD_AGAIN} periods."
    step = f'kind = "clock", seconds = "-{x:.4f}s"'
    return _scenario(summary, "clock", step, "one", HELD_AGAIN * 2 * y)


def _delay(x: float, y: float) -> str:
    summary = f"Every message takes {x:g} s longer each way, for a lease and a half."
    delay = f'kind = "delay", seconds = "{x:.4f}s"'
    return _scenario(summary, "slow-network", delay, "all", 1.5 * y)


def _runs(period_s: float, run_s: float) -> Workload:
    usual = default_workload(JOBS, period_s)
    return Workload(usual.jobs, {job.name: Work(run_s) for job in usual.jobs})


def _since_the_last_renewal(design: Design, lease_s: float) -> tuple[float, float]:
    """A lease is a third spent at most when the pause begins: all renew at least as often."""
    return lease_s * 2 / 3, design.bounds(Timing("equal", lease_s)).failover_s or lease_s


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "ttl-pause",
            "lease x pause of the holder amid its run: from where on does its job run twice?",
            "pause of the holder (s)",
            "lease L (s)",
            "ran twice or at once",
            TWICE,
            (0.4, 1.6),
            _pause,
            lambda lease_s: _runs(PERIOD_S, 0.4),
            lambda lease_s: Timing("equal", lease_s),
            _since_the_last_renewal,
            "2/3 L to the failover bound",
            (1.0, 1.5, 2.0, 3.0),
            (2.0, 3.0, 4.0),
        ),
        Kind(
            "skew-lease",
            "time a lock is held x clock step back of one instance: from where on does it come "
            "after the lock was released, and run the fire again?",
            "clock of one instance behind (s)",
            "lock held for (s): run, or half a period",
            "ran again",
            TWICE,
            (0.4, 1.6),
            _skew,
            lambda held_s: _runs(2 * held_s, held_s),
            lambda held_s: Timing("equal", 2.0),
            lambda design, held_s: (held_s, held_s),
            "as long as the lock is held",
            (0.3, 0.6, 1.0),
            (0.3, 0.6, 1.0),
        ),
        Kind(
            "delay-renew",
            "lease (renewed every third of it) x delay of every message each way: from where on do "
            "renewals and acquisitions fail, and fires get late, lost, broken off or doubled?",
            "delay of each message, each way (s)",
            "lease L (s), renewed every L/3",
            "fires late, lost or broken off",
            LOST,
            (0.03, 0.25),
            _delay,
            lambda lease_s: _runs(lease_s, 0.5 * lease_s),
            lambda lease_s: Timing("equal", lease_s),
            lambda design, lease_s: (lease_s / 24, lease_s / 8),
            "L/24 to L/8",
            (1.0, 1.5, 2.0),
            (2.0, 3.0),
        ),
    )
}


def kind(name: str) -> Kind:
    """The map called `name`; raises BadArguments with the nearest names."""
    if name not in KINDS:
        raise BadArguments(f"unknown map {name!r}: {nearest(name, KINDS)}")
    return KINDS[name]
