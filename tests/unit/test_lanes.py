"""Which trials run beside which, and which of them give figures of cost."""

from unittest.mock import AsyncMock, Mock

from bench.lanes import MOST_JOBS, counts_costs
from bench.plan import Plan
from bench.runner import Bench, crowds
from bench.services import ServiceUnavailable
from bench.settings import Size, plan, settings_from

QUICK = settings_from("quick", strategies=[], scenarios=[])


def planned(name: str, scenario: str, size: Size = Size(3, 10), k: int = 1) -> Plan:
    return plan(QUICK, name, scenario, size, k)


def test_what_is_compared_runs_alone_in_steady_and_beside_others_under_faults() -> None:
    assert planned("redis-lock", "steady").runs == "alone"
    assert planned("lease-election", "steady").runs == "alone"
    assert planned("redis-lock", "crash").runs == "in-lane"
    assert planned("uncoordinated", "steady").runs == "in-lane"


def test_the_trials_of_a_platform_run_at_once_unless_they_hurt_what_they_share() -> None:
    assert planned("cronjob", "steady").runs == planned("cronjob", "crash").runs == "at-once"
    assert planned("cronjob", "service-outage").runs == "in-lane"


def test_a_lane_of_quick_trials_of_a_platform_is_one_crowd() -> None:
    lane = [planned("cronjob", name, k=k) for name in ("steady", "crash") for k in (1, 2)]
    assert crowds(lane) == [lane]


def test_a_crowd_has_no_more_jobs_than_start_in_time() -> None:
    lane = [planned("cronjob", "steady", Size(3, 20), k=k) for k in range(1, 6)]
    groups = crowds(lane)
    assert [len(group) for group in groups] == [2, 2, 1]
    assert all(sum(len(one.workload.jobs) for one in group) <= MOST_JOBS for group in groups)
    alone = planned("cronjob", "steady", Size(3, 1000))
    assert crowds([alone]) == [[alone]]


def test_a_trial_that_hurts_the_platform_waits_for_the_crowd_to_end() -> None:
    lane = [planned("cronjob", name) for name in ("service-outage", "steady", "crash")]
    assert crowds(lane) == [lane[:1], lane[1:]]


def test_a_lane_of_other_trials_is_one_after_the_other() -> None:
    lane = [planned("redis-lock", name) for name in ("crash", "pause", "partition")]
    assert crowds(lane) == [[one] for one in lane]


async def test_a_platform_that_does_not_come_back_with_another_timing_leaves_its_cells_unrun() -> (
    None
):
    one = planned("cronjob", "crash")
    bench = Bench([one], Mock(), Mock(), registration=Mock())
    gone = Mock(retime=AsyncMock(side_effect=ServiceUnavailable("kubernetes: gone for good")))
    bench.servers["kubernetes", "nodes"] = gone
    await bench._run_lane([one])
    assert bench.why_not(one) == "kubernetes: gone for good"


def test_costs_come_from_members_that_nothing_broke_and_that_are_no_controls() -> None:
    assert counts_costs("reference", "member", faulted=False)
    assert not counts_costs("reference", "member", faulted=True)
    assert not counts_costs("reference", "node", faulted=False)
    assert not counts_costs("control", "member", faulted=False)
