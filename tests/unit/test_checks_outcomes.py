"""Every outcome of a fire, each provoked, and the border beside it."""

import pytest
from written_histories import Story, at, ms

from strategies.notes import Coordinated


def one_fire(**policies) -> Story:
    return Story().job(**policies).due(10.0)


def test_a_run_that_begins_soon_after_the_due_time_is_on_time():
    assert one_fire().run(10.0, 10.4, 10.8).outcomes() == ["on-time"]


def test_a_run_that_begins_after_half_a_second_of_a_short_period_is_late():
    assert one_fire().run(10.0, 10.51, 10.8).outcomes() == ["late"]


def test_lateness_is_half_the_period_where_that_is_longer():
    assert one_fire(period_s=10.0).run(10.0, 14.9, 15.0).outcomes() == ["on-time"]
    assert one_fire(period_s=10.0).run(10.0, 15.1, 16.0).outcomes() == ["late"]


def test_a_job_without_a_declared_period_has_the_shortest_gap_between_its_fires():
    story = Story().job(period_s=None).due(10.0, 20.0).run(10.0, 14.9, 15.0).run(20.0, 25.1, 26.0)
    assert story.outcomes() == ["on-time", "late"]


def test_the_first_run_decides_on_lateness_also_when_a_retry_succeeds():
    story = one_fire().run(10.0, 10.1, 10.2, "failed").run(10.0, 13.0, 13.1)
    assert story.outcomes() == ["on-time"]


def test_a_fire_whose_killed_run_is_followed_by_a_successful_one_is_recovered():
    story = one_fire().run(10.0, 10.0).fault(10.2).died(10.3).run(10.0, 12.5, 12.9, instance="i2")
    assert story.outcomes() == ["recovered"]
    assert story.flagged("duplicate") == [False]


def test_a_fire_whose_cancelled_run_is_followed_by_a_successful_one_is_recovered():
    story = one_fire().run(10.0, 10.0, 10.2, "cancelled").run(10.0, 11.0, 11.4, instance="i2")
    assert story.outcomes() == ["recovered"]


def test_runs_after_the_first_success_make_no_recovery_of_it():
    story = one_fire().run(10.0, 10.0, 10.2).run(10.0, 11.0, 11.1, "cancelled")
    assert story.run(10.0, 12.0, 12.1).outcomes() == ["on-time"]


def test_a_fire_whose_only_run_was_killed_is_interrupted():
    assert one_fire().run(10.0, 10.0).died(10.2).outcomes() == ["interrupted"]


def test_a_fire_whose_only_run_was_cancelled_is_interrupted():
    assert one_fire().run(10.0, 10.0, 10.2, "cancelled").outcomes() == ["interrupted"]


def test_a_run_that_never_ends_on_a_living_instance_is_interrupted():
    assert one_fire().run(10.0, 10.0).outcomes() == ["interrupted"]


def test_a_fire_whose_last_run_failed_has_failed():
    story = one_fire().run(10.0, 10.0, 10.1, "failed").run(10.0, 10.5, 10.6, "failed")
    assert story.outcomes() == ["failed"]


def test_a_fire_that_nobody_ran_is_missed():
    assert one_fire().outcomes() == ["missed"]


def test_a_fire_due_just_before_the_end_of_the_recording_is_pending():
    assert Story(until=10.4).job().due(10.0).outcomes() == ["pending"]
    assert Story(until=10.6).job().due(10.0).outcomes() == ["missed"]


def test_in_a_history_with_faults_a_fire_is_pending_for_two_leases_or_the_bound():
    def story(until: float) -> Story:
        return Story(until=until).job().due(10.0).fault(5.0, instance="i9")

    assert story(13.9).outcomes() == ["pending"]
    assert story(14.1).outcomes() == ["missed"]
    assert story(14.1).outcomes(bound_s=6.0) == ["pending"]


def test_a_run_that_is_open_when_the_recording_stops_is_unknown():
    assert Story(until=10.4).job().due(10.0).run(10.0, 10.1).outcomes() == ["unknown"]


def test_a_run_that_was_killed_just_before_the_recording_stops_is_interrupted():
    story = Story(until=10.4).job().due(10.0).run(10.0, 10.1).died(10.2)
    assert story.outcomes() == ["interrupted"]


class TestOverlapSkips:
    def test_hold_while_a_run_of_the_job_is_open(self):
        story = Story().job().due(10.0, 11.0).run(10.0, 10.0, 11.5).skip(11.0, 11.1, "overlap")
        assert story.outcomes() == ["on-time", "skipped"]

    def test_are_missed_fires_when_no_run_was_open(self):
        story = Story().job().due(10.0, 11.0).run(10.0, 10.0, 10.4).skip(11.0, 11.1, "overlap")
        assert story.outcomes() == ["on-time", "missed"]

    def test_are_missed_fires_when_the_run_was_of_another_job(self):
        story = Story().job("a").job("b").due(10.0, job="a").due(10.0, job="b")
        story.run(10.0, 10.0, 11.0, job="a").skip(10.0, 10.5, "overlap", job="b")
        assert story.outcomes() == ["on-time", "missed"]

    def test_are_missed_fires_when_the_job_allows_overlap(self):
        story = Story().job(overlap="allow").due(10.0, 11.0).run(10.0, 10.0, 11.5)
        assert story.skip(11.0, 11.1, "overlap").outcomes() == ["on-time", "missed"]

    def test_do_not_hide_a_run(self):
        story = Story().job().due(10.0, 11.0).run(10.0, 10.0, 11.5).run(11.0, 11.2, 11.6)
        assert story.skip(11.0, 11.1, "overlap").outcomes() == ["on-time", "on-time"]
        assert story.flagged("overlap") == [False, True]

    def test_hold_while_a_run_that_never_ended_is_open(self):
        story = Story().job().due(10.0, 20.0).run(10.0, 10.0).skip(20.0, 20.1, "overlap")
        assert story.outcomes() == ["interrupted", "skipped"]

    def test_are_missed_fires_after_the_open_run_was_killed(self):
        story = Story().job().due(10.0, 20.0).run(10.0, 10.0).died(10.2)
        assert story.skip(20.0, 20.1, "overlap").outcomes() == ["interrupted", "missed"]


class TestMisfireSkips:
    def long_run(self, **policies) -> Story:
        """The run of 10 lasts until 12.5; 11 is skipped for 12, which runs late."""
        story = Story().job(**policies).due(10.0, 11.0, 12.0).run(10.0, 10.0, 12.4)
        return story.skip(11.0, 12.41, "misfire")

    def test_hold_behind_a_long_run_when_the_latest_fire_runs(self):
        assert self.long_run().run(12.0, 12.42, 12.8).outcomes() == [
            "on-time", "skipped", "on-time",
        ]  # fmt: skip

    def test_are_missed_fires_when_the_next_one_never_runs(self):
        assert self.long_run().outcomes() == ["on-time", "missed", "missed"]

    def test_are_missed_fires_when_the_policy_is_to_run_all(self):
        story = self.long_run(misfire="run-all").run(12.0, 12.42, 12.8)
        assert story.outcomes() == ["on-time", "missed", "on-time"]

    def test_are_missed_fires_when_no_later_fire_was_due_yet(self):
        story = Story().job().due(10.0, 11.0, 12.0).run(10.0, 10.0, 11.8).run(12.0, 12.0, 12.4)
        assert story.skip(11.0, 11.81, "misfire").outcomes() == ["on-time", "missed", "on-time"]

    def test_are_missed_fires_without_a_cause(self):
        story = Story().job().due(10.0, 11.0, 12.0).run(10.0, 10.0, 10.4).run(12.0, 12.0, 12.4)
        assert story.skip(11.0, 12.1, "misfire").outcomes() == ["on-time", "missed", "on-time"]

    def test_are_not_excused_by_the_run_of_a_later_fire(self):
        story = Story().job().due(11.0, 12.0).run(12.0, 12.0, 12.4)
        assert story.skip(11.0, 12.1, "misfire").outcomes() == ["missed", "on-time"]

    def test_hold_for_a_fire_that_was_exposed_to_a_fault(self):
        story = Story().job().due(10.0, 11.0, 12.0).run(12.0, 12.0, 12.4).fault(10.5, instance="i9")
        story.skip(11.0, 12.0, "misfire").skip(10.0, 12.0, "misfire")
        assert story.outcomes() == ["skipped", "skipped", "on-time"]

    @pytest.mark.parametrize(("bound_s", "outcome"), [(0.0, "missed"), (5.0, "skipped")])
    def test_count_as_exposed_for_as_long_as_the_design_may_take_to_fail_over(
        self, bound_s, outcome
    ):
        story = Story().job().due(20.0, 21.0).run(21.0, 21.0, 21.4).fault(14.0, instance="i9")
        assert story.skip(20.0, 21.0, "misfire").outcomes(bound_s)[0] == outcome

    def test_are_pending_while_the_next_fire_is(self):
        story = Story(until=12.45).job().due(10.0, 11.0, 12.0).run(10.0, 10.0, 12.4)
        story.skip(11.0, 12.41, "misfire")
        assert story.outcomes() == ["on-time", "pending", "pending"]

    def test_of_a_run_of_fires_all_hold_when_the_last_one_runs(self):
        story = Story().job().due(10.0, 11.0, 12.0, 13.0).run(10.0, 10.0, 13.1)
        story.skip(11.0, 13.2, "misfire").skip(12.0, 13.2, "misfire").run(13.0, 13.2, 13.6)
        assert story.outcomes() == ["on-time", "skipped", "skipped", "on-time"]

    def test_hold_when_the_next_fire_was_noted_as_skipped_and_yet_ran(self):
        story = self.long_run().run(12.0, 12.42, 12.8).skip(12.0, 12.41, "misfire")
        assert story.outcomes() == ["on-time", "skipped", "on-time"]

    def test_of_another_job_s_fires_lend_no_run(self):
        story = Story().job("a").job("b").due(11.0, 12.0, job="a").due(12.0, job="b")
        story.run(12.0, 12.0, 12.4, job="b").fault(11.0, instance="i9")
        story.skip(11.0, 12.1, "misfire", job="a").skip(12.0, 12.1, "misfire", job="a")
        assert story.outcomes() == ["missed", "missed", "on-time"]


def taken(action: str, outcome: str) -> Coordinated:
    return Coordinated(
        t=at(10.01), instance="i1", action=action, seconds=0, outcome=outcome,
        job="report", due_ms=ms(10.0),
    )  # fmt: skip


def test_a_fire_that_was_won_and_whose_run_never_began_is_interrupted():
    assert one_fire().add(taken("begin", "won")).outcomes() == ["interrupted"]


def test_a_fire_that_the_next_leader_finds_begun_and_that_never_ran_is_interrupted():
    assert one_fire().add(taken("recover", "ok")).outcomes() == ["interrupted"]


def test_a_fire_that_was_only_published_and_never_ran_is_missed():
    assert one_fire().add(taken("publish", "ok")).outcomes() == ["missed"]
