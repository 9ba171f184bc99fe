"""What a strategy must declare whose decisions a platform takes, where no simulation can look.

Its controllers are the platform's own, so the facts that the other strategies prove in memory are
proven on the real ones: tests/integration/test_cronjob_trials.py.
"""

import random

import pytest

from bench.listing import PROMISED
from bench.nursery import PROGRAMS
from bench.services import SERVICES
from bench.settings import Size, plan, settings_from
from strategies.catalogue import designs, from_source, source
from strategies.cronjob.manifests import cron_job
from strategies.interface import ANYTHING, Design, Stress
from strategies.memory import MemoryLink
from strategies.model import Timing

ON_NODES = [one for one in designs().values() if one.replica == "node"]
PROFILES = [Timing("equal", 1.0), Timing("equal", 4.0), Timing("vendor"), Timing("guide")]

every_platform_strategy = pytest.mark.parametrize("design", ON_NODES, ids=lambda one: one.name)


def test_there_are_such_strategies_and_one_of_them_is_compared() -> None:
    assert [one.name for one in ON_NODES if one.kind == "reference"] == ["cronjob"]


@every_platform_strategy
def test_it_says_what_it_needs_and_can_be_found_by_its_nodes(design: Design) -> None:
    assert set(design.services) <= set(SERVICES)
    assert design.replica in PROGRAMS
    assert design.grain_s > 0
    assert from_source(source(design.name), design.name) is design


@every_platform_strategy
@pytest.mark.parametrize("stress", PROMISED)
def test_it_promises_something_under_every_stress_that_is_listed(
    design: Design, stress: Stress
) -> None:
    assert design.promise.allowed(stress) != ANYTHING


@every_platform_strategy
def test_it_has_no_fence_and_runs_what_was_broken_off_again(design: Design) -> None:
    assert design.fence_scope is None
    assert design.promise.recovers
    assert design.promise.persistent


@every_platform_strategy
@pytest.mark.parametrize("timing", PROFILES, ids=lambda one: f"{one.profile}-{one.lease_s:g}")
def test_its_bounds_grow_with_the_lease_and_are_longer_than_it(
    design: Design, timing: Timing
) -> None:
    bounds = design.bounds(timing)
    assert bounds.failover_s is not None
    assert bounds.recovery_s is not None
    assert bounds.recovery_s >= bounds.failover_s > timing.lease_s
    if timing.profile == "equal":
        longer = design.bounds(Timing("equal", timing.lease_s + 1)).failover_s
        assert longer is not None
        assert longer > bounds.failover_s


@every_platform_strategy
def test_its_default_jobs_can_be_said_in_its_platforms_words(design: Design) -> None:
    settings = settings_from("quick", strategies=[design.name], scenarios=["steady"])
    workload = plan(settings, design.name, "steady", Size(3, 10), 1).workload
    lines = {cron_job(job, "trial").spec.schedule for job in workload.jobs}
    assert lines == {"* * * * *"}


@every_platform_strategy
def test_it_refuses_a_simulation_instead_of_imitating_its_platform(design: Design) -> None:
    link = MemoryLink.__new__(MemoryLink)
    with pytest.raises(TypeError, match="no simulation"):
        design.make({"kubernetes": link}, "n", Timing(), random.Random(0))
