"""The figures of a trial, each against a sum done by hand."""

import pytest
from written_histories import Story, at, ms

from bench.events import Counters, Platform
from bench.metrics import Metrics, measure
from strategies.interface import Bounds
from strategies.notes import Coordinated, Granted, Lost


def measured(story: Story, bounds: Bounds = Bounds(2.1, 3.0)) -> Metrics:
    return measure(story.columns(), story.judged(bounds.failover_s or 0.0), bounds)


def crash() -> Story:
    """i1 is killed at 10.2 in the run of 10; i2 notices, owns and runs it again."""
    story = Story().job().due(9.0, 10.0, 11.0, 12.0, 13.0, 20.0)
    story.run(9.0, 9.0, 9.4).run(10.0, 10.0)
    story.fault(10.2, target="holder", run="i1:2", job="report").died(10.25)
    story.add(
        Coordinated(t=at(12.0), instance="i2", action="recover", seconds=0.01, outcome="ok"),
        Granted(t=at(12.3), instance="i2", subject="report", fence=2),
    )
    story.run(10.0, 12.4, 12.8, instance="i2").run(13.0, 13.0, 13.4, instance="i2")
    return story.run(20.0, 20.0, 20.4, instance="i2")


class TestFaults:
    def test_failover_is_from_the_fault_to_the_first_run_elsewhere(self):
        [fault] = measured(crash()).faults
        assert fault.failover_s == pytest.approx(2.2)
        assert (fault.detected_s, fault.owner_s) == (pytest.approx(1.8), pytest.approx(2.1))
        assert (fault.instance, fault.hit, fault.affected_jobs) == ("i1", True, 1)

    def test_recovery_is_until_the_interrupted_fire_runs_again(self):
        assert measured(crash()).faults[0].recovery_s == pytest.approx(2.2)

    def test_runs_of_other_jobs_are_no_failover(self):
        story = crash().job("other").due(11.0, job="other")
        story.run(11.0, 11.0, 11.4, instance="i3", job="other")
        assert measured(story).faults[0].failover_s == pytest.approx(2.2)

    def test_after_a_leader_s_death_the_first_run_of_any_job_counts(self):
        story = crash().job("other").due(11.0, job="other")
        story.add(Granted(t=at(5.0), instance="i1", subject="leader"))
        story.run(11.0, 11.0, 11.4, instance="i3", job="other")
        [fault] = measured(story).faults
        assert fault.affected_jobs == 2
        assert fault.failover_s == pytest.approx(0.8)
        assert fault.owner_s is None

    def test_a_leader_that_had_stepped_down_affects_only_its_open_runs(self):
        story = (
            crash()
            .job("other")
            .add(
                Granted(t=at(5.0), instance="i1", subject="leader"),
                Lost(t=at(6.0), instance="i1", subject="leader", reason="session"),
            )
        )
        assert measured(story).faults[0].affected_jobs == 1

    def test_nobody_taking_over_is_no_figure(self):
        story = Story().job().due(10.0).run(10.0, 10.0).fault(10.2)
        [fault] = measured(story).faults
        assert (fault.failover_s, fault.recovery_s, fault.detected_s) == (None, None, None)

    def test_a_paused_run_that_ends_well_needed_no_recovery(self):
        story = Story().job().due(10.0).run(10.0, 10.0, 14.0).fault(10.2, "pause", heal=13.5)
        story.run(10.0, 12.5, 12.9, instance="i2")
        [fault] = measured(story).faults
        assert (fault.failover_s, fault.recovery_s) == (pytest.approx(2.3), None)

    def test_the_bound_includes_the_wait_for_the_next_due_time(self):
        metrics = measured(crash())
        assert (metrics.failover_bound_s, metrics.recovery_bound_s) == (pytest.approx(3.1), 3.0)

    def test_bounds_do_not_apply_where_nothing_broke_or_nothing_was_promised(self):
        assert measured(Story().job().due(10.0)).failover_bound_s is None
        assert measured(crash(), Bounds(None)).failover_bound_s is None
        assert measured(crash(), Bounds(2.0)).recovery_bound_s is None


class TestExposed:
    def test_fires_due_until_two_leases_after_the_fault_and_those_it_interrupted(self):
        metrics = measured(crash())
        assert metrics.exposed_fires == 4  # 10 was open; 11, 12, 13 are within 4 s; 9, 20 not
        assert metrics.exposed["missed"] == 2
        assert metrics.counts["recovered"] == 1

    def test_a_fault_that_heals_exposes_until_two_leases_after_that(self):
        story = crash().fault(30.0, "pause", heal=33.0, number=1).due(36.9, 37.1)
        assert measured(story).exposed_fires == 5

    def test_a_duplicate_of_a_fire_that_ended_just_before_the_kill_is_in_the_rate(self):
        story = Story().job().due(10.0, 20.0).run(10.0, 10.0, 10.4).fault(10.45).died(10.5)
        story.run(10.0, 12.5, 12.9, instance="i2").run(20.0, 20.0, 20.4, instance="i2")
        metrics = measured(story)
        assert metrics.counts["duplicate"] == metrics.exposed["duplicate"] == 1

    def test_an_interrupted_fire_whose_effect_is_on_the_ledger_is_done(self):
        story = Story().job().due(10.0, 11.0).run(10.0, 10.0).run(11.0, 11.0)
        story.fault(11.2).died(11.25)
        assert measured(story).interrupted_done_fires is None
        metrics = measured(story.effect(10.0, 11.1))
        assert (metrics.counts["interrupted"], metrics.interrupted_done_fires) == (2, 1)

    def test_without_a_fault_nothing_is_exposed(self):
        metrics = measured(Story().job().due(10.0))
        assert (metrics.exposed_fires, metrics.exposed) == (None, {})

    def test_fires_that_cannot_be_judged_are_in_no_rate(self):
        metrics = measured(Story(until=20.2).job().due(10.0, 20.0))
        assert (metrics.fires, metrics.judged_fires) == (2, 1)
        assert metrics.judged["missed"] == 1


def call(due: float | None, ms_spent: float, outcome: str = "won", instance: str = "i1", **more):
    job = "report" if due is not None else ""
    return Coordinated(
        t=at(10), instance=instance, action=more.pop("action", "acquire"), outcome=outcome,
        seconds=ms_spent / 1000, job=job, due_ms=None if due is None else ms(due), **more,
    )  # fmt: skip


class TestCosts:
    def two_fires(self) -> Story:
        story = Story().job().due(10.0, 11.0).ready("i1", "i2")
        return story.run(10.0, 10.01, 10.4).run(11.0, 11.03, 11.4)

    def test_trigger_latency_is_from_the_due_time(self):
        latency = measured(self.two_fires()).trigger_latency_ms
        assert latency.p50 == pytest.approx(20.0, abs=0.01)
        assert latency.max == pytest.approx(30.0, abs=0.01)

    def test_overhead_sums_the_winner_s_calls_for_its_fire(self):
        story = self.two_fires().add(
            call(10.0, 2.0), call(10.0, 1.0, "ok", action="release"), call(11.0, 5.0),
            call(11.0, 50.0, "ok", instance="i2"),
        )  # fmt: skip
        metrics = measured(story)
        assert metrics.overhead_ms.max == pytest.approx(5.0)
        assert metrics.overhead_ms.p50 == pytest.approx(4.0)
        assert metrics.fleet_overhead_ms_per_fire == pytest.approx(29.0)

    def test_a_batch_call_is_shared_among_the_fires_it_served(self):
        story = self.two_fires().add(call(None, 8.0, fires=4), call(10.0, 1.0))
        assert measured(story).overhead_ms.max == pytest.approx(2.0)

    def test_a_fire_with_a_call_of_its_own_takes_no_share_of_that_action_s_batches(self):
        story = self.two_fires().add(call(None, 8.0, fires=4), call(10.0, 1.0))
        story.add(call(None, 6.0, "ok", action="end", fires=2))
        assert measured(story).overhead_ms.p50 == pytest.approx(4.5)  # 1 + 3 and 2 + 3
        assert measured(story).overhead_ms.max == pytest.approx(5.0)

    def test_a_publication_by_another_instance_counts_for_its_fire(self):
        story = self.two_fires().add(
            call(10.0, 1.0, action="receive"), call(11.0, 1.0, action="receive"),
            call(10.0, 4.0, "ok", instance="i2", action="publish"),
        )  # fmt: skip
        assert measured(story).overhead_ms.max == pytest.approx(5.0)

    def test_a_publication_of_several_fires_is_shared_by_them_whoever_made_it(self):
        story = self.two_fires().add(
            call(None, 6.0, "ok", instance="i2", action="publish", fires=3),
            call(None, 2.0, "ok", instance="i1", action="publish", fires=1),
            call(10.0, 1.0, action="receive"), call(11.0, 1.0, action="receive"),
        )  # fmt: skip
        assert measured(story).overhead_ms.max == pytest.approx(3.0)  # 1 + (6 + 2) / 4

    def test_losing_attempts_come_from_counters(self):
        story = self.two_fires().add(call(10.0, 1.0), call(11.0, 1.0))
        story.add(
            Counters(t=at(12), instance="i2", counts={"acquire.lost": 4, "acquire.lost.s": 0.02})
        )
        metrics = measured(story)
        assert metrics.attempts_per_fire == pytest.approx(3.0)
        assert metrics.fleet_overhead_ms_per_fire == pytest.approx(11.0)

    def test_operations_are_read_from_the_service_s_totals_by_phase(self):
        story = self.two_fires().phases(idle=5.0, load=9.0, quiet=12.0)
        for t, total in [(5.0, 100.0), (9.0, 120.0), (12.0, 150.0)]:
            story.add(Counters(t=at(t), instance="redis", counts={"operations_total": total}))
        metrics = measured(story)
        assert metrics.ops_per_fire == pytest.approx(15.0)
        assert metrics.idle_ops_per_s == pytest.approx(5.0)

    def test_a_counter_that_fell_gives_no_figure(self):
        story = self.two_fires().phases(idle=5.0, load=9.0, quiet=12.0)
        for t, total in [(5.0, 100.0), (9.0, 120.0), (12.0, 3.0)]:
            story.add(Counters(t=at(t), instance="redis", counts={"operations_total": total}))
        assert measured(story).ops_per_fire is None

    def test_cpu_time_is_the_instances_own(self):
        story = self.two_fires().phases(load=9.0, quiet=12.0)
        for name in ("i1", "i2", "redis"):
            for t, total in [(9.0, 1.0), (12.0, 1.5)]:
                story.add(Counters(t=at(t), instance=name, counts={"cpu_s_total": total}))
        assert measured(story).cpu_ms_per_fire == pytest.approx(500.0)

    def test_what_was_not_recorded_is_no_figure(self):
        metrics = measured(Story().job().due(10.0).run(10.0, 10.0, 10.4))
        assert metrics.overhead_ms.p50 is None
        assert metrics.attempts_per_fire is None
        assert metrics.ops_per_fire is None
        assert metrics.cpu_ms_per_fire is None
        assert metrics.lag_p99_ms is None


def test_a_platform_s_failover_has_the_parts_that_it_tells():
    story = Story(until=200.0).job(period_s=60.0).due(60.0).run(60.0, 60.1)
    story.fault(61.0, target="holder", run="i1:1", job="report").died(61.01)
    for t, what, node, job in (
        (60.05, "pod-bound", "i1", "report"),
        (63.0, "node-not-ready", "i1", ""),
        (70.0, "pod-bound", "i2", "other"),
        (72.9, "pod-bound", "i2", "report"),
    ):
        step = Platform(what=what, subject=node, job=job, instance=node)
        step.t = at(t)
        story.add(step)
    story.run(60.0, 73.0, 76.0, instance="i2")
    [fault] = measure(story.columns(), story.judged(15.0), Bounds(15.0, 15.0)).faults
    assert (fault.detected_s, fault.owner_s) == pytest.approx((2.0, 11.9))
    assert (fault.failover_s, fault.recovery_s) == pytest.approx((12.0, 12.0))
