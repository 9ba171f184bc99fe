"""Why a fire is remarkable, in sentences and events."""

from report_stories import paused_holder
from written_histories import Story, at

from bench.history import to_table
from bench.judge import judge
from bench.record import TrialRecord
from bench.report.stories import FireStory, remarkable, stories
from bench.report.timeline import timeline
from strategies.notes import Granted

RECORD = TrialRecord(strategy="redis-lock", scenario="pause", instances=2, jobs=1)


def told(story: Story) -> list[FireStory]:
    table = to_table(story.events)
    return stories(table, timeline(table), judge(table, RECORD).verdict)


def test_a_fire_that_ran_twice_names_both_instances_and_the_pause():
    first = told(paused_holder())[0]
    assert "duplicate" in first.what
    assert first.why[0] == (
        "The run on i2 began at +12.200 s while the run on i1 was still open in a pause "
        "from +10.100 s to +13.000 s."
    )


def test_its_events_are_in_order_with_the_fault_and_who_owned_the_job():
    events = told(paused_holder())[0].events
    assert [event.t_s for event in events] == sorted(event.t_s for event in events)
    words = [f"{event.instance} {event.words}" for event in events]
    assert "i1 fault began: pause" in words
    assert "i2 granted: report, fence 2" in words
    assert "i1 lost: report, not renewed" in words
    assert any(word.startswith("i1 run started") for word in words)
    assert any(word.startswith("i1 run ended") for word in words)


def test_a_run_after_a_success_is_called_that():
    story = Story().job().due(10.0).run(10.0, 10.0, 10.4).run(10.0, 10.5, 10.9, instance="i2")
    assert told(story)[0].why[0] == (
        "The run on i2 began at +10.500 s although the run on i1 had succeeded at +10.400 s: "
        "nothing told it so."
    )


def test_a_missed_fire_names_the_fault_before_it_and_the_owner_that_never_let_go():
    story = Story().job().due(10.0, 11.0, 12.0).run(10.0, 10.0).fault(10.2).died(10.2)
    story.add(Granted(t=at(9.9), instance="i1", subject="report"))
    missed = [one for one in told(story) if "missed" in one.what]
    assert missed[0].why == [
        "Nobody ran it, and nobody gave a reason that holds. It was due 0.800 s after the kill.",
        "i1 owned the job then, from +9.900 s: never given back.",
    ]


def test_an_interrupted_fire_says_where_it_broke_off():
    story = Story().job().due(10.0).run(10.0, 10.0).fault(10.2).died(10.2)
    assert told(story)[0].why == ["The run on i1 broke off at +10.200 s, and nobody finished it."]


def test_a_recovered_fire_says_who_ran_it_again():
    story = Story().job().due(10.0).run(10.0, 10.0).fault(10.2).died(10.2)
    story.run(10.0, 12.0, 12.4, instance="i2")
    assert told(story)[0].why[0] == (
        "The run on i1 broke off at +10.200 s; the run on i2 began it again at +12.000 s."
    )


def test_an_overlap_names_the_other_fire():
    story = Story().job().due(10.0, 11.0).run(10.0, 10.0, 12.0).run(11.0, 11.0, 11.4, instance="i2")
    assert told(story)[0].why[0] == (
        "The run on i2 began at +11.000 s while the run on i1 of the same job's fire due at "
        "+10.000 s was still open."
    )


def test_broken_promises_and_the_worst_come_first():
    story = Story().job().due(10.0, 11.0, 12.0).run(10.0, 10.0, 10.4).run(10.0, 10.5, 10.9)
    story.run(11.0, 11.9, 11.95)
    verdict = judge(to_table(story.events), RECORD).verdict
    assert [what[0] for what in remarkable(verdict).values()] == ["duplicate", "missed", "late"]


def test_a_healthy_trial_has_no_story():
    assert told(Story().job().due(10.0).run(10.0, 10.0, 10.4)) == []
