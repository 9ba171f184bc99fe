"""What holds for every history, tried on random ones; and a second opinion on each of them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_reference import Reference
from written_histories import Story, shuffled

from bench.checks.outcomes import Outcome, judge_fires
from bench.checks.promises import fire_ids
from bench.checks.reading import columns
from bench.history import to_table

# Times on a coarse grid, so that starts, ends, notes and due times often meet.
tenths = st.integers(0, 60).map(lambda tenth: tenth / 10)
due_times = st.integers(0, 6).map(float)
names = st.sampled_from(["a", "b"])
hosts = st.sampled_from(["i1", "i2", "i3"])
statuses = st.sampled_from(["succeeded", "succeeded", "failed", "cancelled", None])


@st.composite
def stories(draw) -> Story:
    story = Story(until=draw(st.sampled_from([5.5, 7.0, 20.0])), lease_s=0.5)
    for job in ("a", "b"):
        story.job(
            job,
            period_s=draw(st.sampled_from([1.0, 2.0])),
            overlap=draw(st.sampled_from(["forbid", "allow"])),
            misfire=draw(st.sampled_from(["run-latest", "run-all", "skip"])),
        )
        story.due(*draw(st.sets(due_times, min_size=1)), job=job)
    for due, after, length, status, host, job in draw(
        st.lists(st.tuples(due_times, tenths, tenths, statuses, hosts, names), max_size=8)
    ):
        start = due + after / 3
        end = None if status is None else start + length / 4
        story.run(due, start, end, status or "", host, job)
    for due, t, reason, job in draw(
        st.lists(
            st.tuples(due_times, tenths, st.sampled_from(["overlap", "misfire"]), names), max_size=6
        )
    ):
        story.skip(due, t, reason, job)
    for number, (t, kind, host, heal) in enumerate(
        draw(st.lists(st.tuples(tenths, st.sampled_from(["kill", "pause"]), hosts, tenths)))[:2]
    ):
        story.fault(t, kind, host, heal=None if kind == "kill" else t + heal, number=number)
    return story


@settings(max_examples=60, deadline=None)
@given(stories(), st.sampled_from([0.0, 2.5]))
def test_the_columns_say_what_the_plain_rules_say(story, bound_s):
    reference = Reference(story.events, bound_s)
    fires, judged = reference.fires(), story.judged(bound_s)
    said = [Outcome(code).word for code in judged.outcome.tolist()]
    assert said == [reference.outcome(fire) for fire in fires]
    assert judged.duplicate.tolist() == [reference.duplicate(fire) for fire in fires]
    assert judged.overlap.tolist() == [reference.overlap(fire) for fire in fires]
    assert judged.phantom.tolist() == [fire not in reference.dues for fire in fires]


@settings(max_examples=20, deadline=None)
@given(stories())
def test_every_fire_has_exactly_one_outcome(story):
    judged = story.judged()
    assert len(judged.outcome) == len(judged.fires)
    assert set(judged.outcome.tolist()) <= set(Outcome)


@settings(max_examples=20, deadline=None)
@given(stories(), st.integers(0, 5))
def test_the_order_in_which_events_were_written_changes_nothing(story, seed):
    def opinion(events):
        read = columns(to_table(events))
        judged = judge_fires(read)
        flags = {name: fire_ids(read, judged, which) for name, which in judged.flags().items()}
        everything = np.ones(len(judged.fires), np.bool_)
        fires = fire_ids(read, judged, everything)
        return dict(zip(fires, judged.outcome.tolist(), strict=True)), {
            name: sorted(ids) for name, ids in flags.items()
        }

    assert opinion(story.events) == opinion(shuffled(story.events, seed))


@settings(max_examples=20, deadline=None)
@given(stories(), tenths)
def test_another_run_of_a_fire_that_succeeded_is_always_a_duplicate(story, later):
    reference = Reference(story.events)
    for job, due_ms in sorted(reference.dues):
        won = [run for run in reference.of((job, due_ms)) if run.status == "succeeded"]
        if not won:
            continue
        due = due_ms / 1000 - 1_800_000_000
        start = won[0].end - 1_800_000_000 + later
        story.run(due, start, start + 0.1, instance="late", job=job)
        judged = story.judged()
        assert f"{job}@{due_ms}" in fire_ids(story.columns(), judged, judged.duplicate)
        return
