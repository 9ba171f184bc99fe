"""Scenarios as values: complete, scaled to the lease, and honest about what they need."""

import pytest

from bench.load import Load
from bench.scenario import After, OnceTakenOver, PlannedFault, Scenario, counterpart
from bench.scenarios import SCENARIOS
from bench.settings import Size, plan, settings_from
from bench.workload import default_workload
from chaos.processes import Kill
from strategies.catalogue import design
from strategies.interface import Bounds, Promise
from strategies.model import Every, Timing

BOUNDS = Bounds(failover_s=2.3, recovery_s=2.3)
EQUAL = Timing()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_each_scenario_is_explained_in_two_sentences(scenario: Scenario) -> None:
    assert SCENARIOS[scenario.name] is scenario
    assert scenario.summary.count(". ") + scenario.summary.count("? ") >= 1
    assert scenario.summary.endswith((".", "?"))


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_each_scenario_goes_on_for_two_leases_after_its_last_heal(scenario: Scenario) -> None:
    load_s = scenario.load_s(EQUAL, BOUNDS, 1.0, 3, 0.4)
    for fault in scenario.faults:
        struck_s = fault.after_s + fault.jitter_s
        healed_s = struck_s + (fault.healing.latest_s(2.0, 1.0) if fault.healing else 0)
        assert load_s >= healed_s + 2 * 2.0


def test_a_longer_lease_makes_a_longer_trial() -> None:
    pause = SCENARIOS["pause"]
    long = Bounds(failover_s=30.1)
    assert pause.load_s(Timing("equal", 30.0), long, 1.0) > 90 + 60


def test_only_scenarios_that_break_links_go_through_a_relay() -> None:
    relayed = {one.stress for one in SCENARIOS.values() if one.through_links}
    assert relayed == {"partition", "slow-network"}
    assert not SCENARIOS["pause"].through_links


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda one: one.name)
def test_each_scenario_says_what_to_expect_and_overlaps_no_faults(scenario: Scenario) -> None:
    assert scenario.expect
    assert scenario.overlap(2.0, 1.0) is None


@pytest.mark.parametrize(
    ("strategy", "name", "why"),
    [
        ("redis-lock", "crash-leader", "no leader to aim at: redis-lock is no election"),
        ("quartz", "crash-scheduler", "no scheduler to aim at: quartz is no queue"),
        ("uncoordinated", "migration", "no other strategy on none to migrate to"),
        ("uncoordinated", "partition", "partition needs a service, uncoordinated uses none"),
        ("etcd-election", "crash-leader", None),
        ("redis-queue", "crash-scheduler", None),
    ],
)
def test_a_cell_that_cannot_be_run_says_why(strategy: str, name: str, why: str | None) -> None:
    settings = settings_from("quick", strategies=[strategy], scenarios=[name])
    assert plan(settings, strategy, name, Size(3, 10), 1).why_not == why


def test_a_fleet_migrates_to_another_strategy_on_the_same_service() -> None:
    other = {name: counterpart(design(name)) for name in ("redis-lock", "quartz", "etcd-election")}
    assert {name: one and one.name for name, one in other.items()} == {
        "redis-lock": "redis-queue",
        "quartz": "postgres-lock",
        "etcd-election": "etcd-election-memory",
    }


def test_a_fault_of_many_victims_counts_once_for_each() -> None:
    def strikes(target: str, instances: int = 5) -> int:
        fault = PlannedFault(lambda _: Kill(), target)
        return Scenario("s", "crash", "", (fault,)).strikes(instances)

    expected = {"holder": 1, "one": 1, "minority": 2, "majority": 3, "all": 5, "each": 5}
    assert {target: strikes(target) for target in expected} == expected
    assert strikes("minority", 4) == 1
    assert strikes("majority", 4) == 3


def test_the_end_of_a_fault_is_planned_in_leases_and_periods() -> None:
    assert After(leases=1, periods=3).earliest_s(2.0, 0.5) == 3.5
    taken_over = OnceTakenOver(1.5, 3.0)
    assert (taken_over.earliest_s(2.0, 1.0), taken_over.latest_s(2.0, 1.0)) == (3.0, 6.0)


def test_a_burst_aligns_all_jobs() -> None:
    shaped = Load(aligned=True).shape(default_workload(20, 1.0), 2.0)
    assert {job.schedule for job in shaped.jobs} == {Every(1000, 0)}


def test_a_long_job_lasts_leases_and_a_failing_one_fails() -> None:
    workload = default_workload(2, 1.0)
    shaped = Load(lease_runs=1.5, failure_rate=0.3).shape(workload, 2.0)
    assert {(work.duration_s, work.failure_rate) for work in shaped.work.values()} == {(3.0, 0.3)}
    assert {work.duration_s for work in workload.work.values()} == {0.4}


def test_a_flapping_job_works_and_fails_by_turns() -> None:
    shaped = Load(flap_periods=2).shape(default_workload(1, 1.0), 2.0)
    [work] = shaped.work.values()
    assert [work.fails_at(second * 1000) for second in range(6)] == [
        False, False, True, True, False, False,
    ]  # fmt: skip
    assert not default_workload(1, 1.0).work.popitem()[1].fails_at(3000)


def test_a_run_may_need_memory() -> None:
    shaped = Load(memory_mb=32).shape(default_workload(1, 1.0), 2.0)
    assert [work.memory_mb for work in shaped.work.values()] == [32]


def test_the_plan_of_a_trial_has_the_workload_of_its_scenario() -> None:
    settings = settings_from("quick", strategies=["redis-lock"], scenarios=["long-job"])
    planned = plan(settings, "redis-lock", "long-job", Size(3, 10), 1)
    assert planned.workload.longest_run_s == 3.0
    assert planned.load_s >= 5 * 3.0


def test_every_stress_is_one_that_strategies_can_promise_for() -> None:
    for scenario in SCENARIOS.values():
        Promise().allowed(scenario.stress)
