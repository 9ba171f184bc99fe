"""A history as something to look at, and how much of a long one is drawn."""

import pytest
from report_stories import directory, paused_holder
from written_histories import Story, at, ms

from bench.checks.outcomes import Outcome
from bench.errors import InvalidResults
from bench.history import to_table
from bench.record import TrialRecord
from bench.report.thinning import share, thin
from bench.report.timeline import Timeline, flag_words, frame, timeline
from bench.results import load
from strategies.notes import Granted


def look_at(story: Story) -> Timeline:
    return timeline(to_table(story.events))


def test_times_count_from_the_beginning_of_the_load():
    whole = look_at(Story().phases(idle=4, load=5).job().due(10.0).run(10.0, 10.0, 10.4))
    assert whole.runs.start_s.tolist() == pytest.approx([5.0])
    assert whole.due_s(ms(10.0)) == pytest.approx(5.0)
    assert whole.end_s == pytest.approx(55.0)


def test_only_the_run_that_was_one_too_many_is_marked_extra():
    whole = look_at(paused_holder())
    words = [flag_words(flags) for flags in whole.runs.flags.tolist()]
    assert ["duplicate" in one for one in words] == [True, True, False]
    assert ["extra" in one for one in words] == [False, True, False]


def test_a_killed_run_ends_at_the_kill():
    whole = look_at(Story().job().due(10.0).run(10.0, 10.0).fault(10.2).died(10.3))
    assert whole.runs.end_s.tolist() == pytest.approx([10.2])
    assert [fault.heal_s for fault in whole.faults] == [None]


def test_ownership_is_paired_by_owner_and_subject():
    whole = look_at(paused_holder())
    spans = {(one.instance, round(one.begin_s, 2)): one for one in whole.owned}
    held = spans["i1", 9.99]
    assert held.end_s == pytest.approx(13.0)
    assert (held.how, held.fence) == ("lost: not renewed", 1)
    assert spans["i2", 12.2].how == "released"


def test_ownership_that_nobody_ended_says_so():
    story = Story().job().due(10.0).run(10.0, 10.0, 10.4)
    whole = look_at(story.add(Granted(t=at(9.9), instance="i1", subject="leader", fence=7)))
    assert [(one.end_s, one.how) for one in whole.owned] == [(None, "never given back")]


def test_a_fire_without_a_run_is_there_with_its_outcome():
    whole = look_at(Story().job().due(10.0, 11.0).run(10.0, 10.0, 10.4))
    assert [(one.due_ms, one.outcome) for one in whole.idle] == [(ms(11.0), Outcome.MISSED)]


def test_instances_are_in_natural_order_and_services_are_none():
    story = Story().ready("i10", "i2").job().due(10.0).run(10.0, 10.0, 10.4).probe(0.001)
    assert look_at(story).instances == ("i1", "i2", "i10")


def test_the_data_frame_is_tidy_with_one_row_per_thing():
    made = frame(look_at(paused_holder()))
    assert list(made.columns) == [
        "kind", "instance", "begin_s", "end_s", "job", "due_ms", "fence", "words",
    ]  # fmt: skip
    assert made["kind"].value_counts().to_dict() == {"run": 3, "owned": 2, "fault": 1}
    extra = made[made["words"].str.contains("extra")]
    assert extra["instance"].tolist() == ["i2"]


def long_story(runs: int = 400) -> Story:
    story = Story(until=runs + 20).job().due(*range(10, 10 + runs))
    for due in range(10, 10 + runs):
        story.run(due, due, due + 0.4)
    return story.run(200, 202, 202.4, instance="i2")


def test_a_short_history_is_drawn_whole_and_says_nothing():
    drawn = thin(look_at(paused_holder()), 100)
    assert (len(drawn.timeline.runs), drawn.said) == (3, "")


def test_a_long_history_keeps_what_is_remarkable_and_says_what_it_leaves_out():
    drawn = thin(look_at(long_story()), 50)
    assert len(drawn.timeline.runs) <= 50
    assert drawn.said == f"{len(drawn.timeline.runs)} of 401 runs"
    words = [flag_words(flags) for flags in drawn.timeline.runs.flags.tolist()]
    assert sum("duplicate" in one for one in words) == 2


def test_what_lies_near_a_fault_comes_before_the_rest():
    drawn = thin(look_at(long_story().fault(300, "pause", heal=303)), 50)
    starts = drawn.timeline.runs.start_s.tolist()
    assert sum(297 <= start <= 306 for start in starts) >= 9
    assert starts == sorted(starts)


def test_when_everything_is_remarkable_every_nth_is_drawn():
    story = Story(until=500).job().due(*range(10, 400))
    for due in range(10, 400):
        story.run(due, due, due + 0.4).run(due, due, due + 0.4, instance="i2")
    drawn = thin(look_at(story), 60)
    assert 50 <= len(drawn.timeline.runs) <= 60
    assert drawn.timeline.runs.start_s[-1] > 380


def test_trials_share_the_room_of_a_page():
    assert share(1) == 20_000
    assert share(1200) < share(60)
    assert share(10**6) == 300


def test_a_notebook_gets_the_timeline_of_a_trial_by_its_path_or_by_a_row(tmp_path):
    record = TrialRecord(strategy="redis-lock", scenario="pause", jobs=1)
    loaded = load(directory(tmp_path, (paused_holder(), record)).path)
    by_path = loaded.timeline("redis-lock/pause/equal-2s-n0-m1-k1")
    assert len(by_path) == 6
    for row in (loaded.runs.iloc[0], loaded.faults.iloc[0], loaded.matrix.iloc[0]):
        assert loaded.timeline(row).equals(by_path)


def test_a_timeline_of_a_trial_that_is_not_there_is_refused(tmp_path):
    loaded = load(directory(tmp_path).path)
    with pytest.raises(InvalidResults, match=r"k9: no such trial; \.faults\.trial"):
        loaded.timeline("redis-lock/pause/equal-2s-n0-m1-k9")
