"""The flags beside the outcomes: two runs where there should be one, and their effects."""

import pytest
from written_histories import Story


def one_fire(**policies) -> Story:
    return Story().job(**policies).due(10.0)


def test_a_second_run_after_a_successful_one_is_a_duplicate():
    assert one_fire().run(10.0, 10.0, 10.4).run(10.0, 20.0, 20.4).flagged("duplicate") == [True]


def test_a_second_run_beside_an_open_one_is_a_duplicate_whatever_becomes_of_them():
    story = one_fire().run(10.0, 10.0, 10.4, "failed").run(10.0, 10.2, 10.6, "failed")
    assert story.flagged("duplicate") == [True]


def test_a_retry_after_a_failure_is_no_duplicate():
    story = one_fire().run(10.0, 10.0, 10.4, "failed").run(10.0, 10.4, 10.8)
    assert story.flagged("duplicate") == [False]


def test_a_run_after_a_kill_is_no_duplicate():
    story = one_fire().run(10.0, 10.0).fault(10.2).run(10.0, 12.0, 12.4, instance="i2")
    assert story.flagged("duplicate") == [False]


def test_a_paused_run_is_open_all_the_time_so_that_a_run_elsewhere_is_a_duplicate():
    story = one_fire().run(10.0, 10.0, 15.0).fault(10.2, "pause", heal=14.0)
    assert story.run(10.0, 12.0, 12.4, instance="i2").flagged("duplicate") == [True]


def test_a_paused_run_that_is_cancelled_afterwards_was_open_all_the_same():
    story = one_fire().run(10.0, 10.0, 15.0, "cancelled").fault(10.2, "pause", heal=14.0)
    story.run(10.0, 12.0, 12.4, instance="i2")
    assert story.flagged("duplicate") == [True]
    assert story.outcomes() == ["recovered"]


def test_a_run_without_an_end_on_a_living_instance_stays_open():
    assert one_fire().run(10.0, 10.0).run(10.0, 30.0, 30.4).flagged("duplicate") == [True]


def test_a_third_run_is_a_duplicate_though_the_second_one_failed():
    story = one_fire().run(10.0, 10.0, 10.1).run(10.0, 11.0, 11.1, "failed").run(10.0, 12.0, 12.1)
    assert story.flagged("duplicate") == [True]


def test_runs_that_touch_do_not_overlap():
    story = Story().job().due(10.0, 11.0).run(10.0, 10.0, 11.0).run(11.0, 11.0, 11.4)
    assert story.flagged("overlap") == [False, False]


def test_runs_of_two_fires_of_one_job_at_once_overlap_under_forbid_only():
    def story(overlap: str) -> Story:
        told = Story().job(overlap=overlap).due(10.0, 11.0)
        return told.run(10.0, 10.0, 11.2).run(11.0, 11.0, 11.4)

    assert story("forbid").flagged("overlap") == [False, True]
    assert story("allow").flagged("overlap") == [False, False]
    assert story("forbid").flagged("duplicate") == [False, False]


def test_a_long_run_overlaps_with_every_later_one_inside_it():
    story = Story().job().due(10.0, 11.0, 12.0).run(10.0, 10.0, 13.0)
    story.run(11.0, 11.0, 11.2).run(12.0, 12.0, 12.2)
    assert story.flagged("overlap") == [False, True, True]


def test_runs_of_two_jobs_never_overlap():
    story = Story().job("a").job("b").due(10.0, job="a").due(10.0, job="b")
    story.run(10.0, 10.0, 10.4, job="a").run(10.0, 10.0, 10.4, job="b")
    assert story.flagged("overlap") == [False, False]


def test_a_killed_run_overlaps_with_nothing_after_its_kill():
    story = Story().job().due(10.0, 11.0).run(10.0, 10.0).died(10.2)
    assert story.run(11.0, 11.0, 11.4, instance="i2").flagged("overlap") == [False, False]


@pytest.mark.parametrize(
    ("label", "flag"), [("repeated", "repeated-effect"), ("stale", "stale-effect")]
)
def test_the_ledger_s_labels_flag_their_fire(label, flag):
    story = Story().job().due(10.0, 11.0).run(10.0, 10.0, 10.4).run(11.0, 11.0, 11.4)
    story.effect(10.0, 10.4).effect(11.0, 11.4, **{label: True})
    assert story.flagged(flag) == [False, True]


def test_a_run_before_the_due_time_is_early():
    assert one_fire().run(10.0, 9.998, 10.4).flagged("early") == [True]
    assert one_fire().run(10.0, 9.9995, 10.4).flagged("early") == [False]


def test_a_run_of_a_fire_that_was_never_due_is_a_phantom_and_not_dropped():
    story = one_fire().run(10.0, 10.0, 10.4).run(10.5, 10.5, 10.9)
    assert story.flagged("phantom") == [False, True]
    assert story.judged().fires.planned.tolist() == [True, False]
