"""Broken promises: each kind provoked, and each excused where the design says so."""

import pytest
from written_histories import Story, ms

from bench.checks.promises import Scope, broken_bounds, broken_promises
from bench.events import FaultBegan, Platform
from strategies.interface import ANYTHING, NOTHING, Allowed

DUPLICATE = Story().job().due(10.0).run(10.0, 10.0, 10.4).run(10.0, 20.0, 20.4)
OVERLAP = Story().job().due(10.0, 11.0).run(10.0, 10.0, 11.5).run(11.0, 11.0, 11.4)
MISSED = Story().job().due(10.0)
INTERRUPTED = Story().job().due(10.0).run(10.0, 10.0).died(10.2)
PHANTOM = Story().job().due(10.0).run(10.0, 10.0, 10.4).run(12.0, 12.0, 12.4)
CASES = [
    (DUPLICATE, "no duplicates", Allowed(duplicates=True), 10.0),
    (OVERLAP, "no overlaps", Allowed(overlaps=True), 11.0),
    (MISSED, "none missed", Allowed(missed=True), 10.0),
    (INTERRUPTED, "none left interrupted", Allowed(interrupted=True), 10.0),
    (PHANTOM, "no duplicates", Allowed(duplicates=True), 12.0),
]


@pytest.mark.parametrize(("story", "promise", "allowed", "due"), CASES)
def test_what_is_not_allowed_breaks_its_promise_and_names_the_fire(story, promise, allowed, due):
    read, judged = story.columns(), story.judged()
    [broken] = broken_promises(read, judged, NOTHING)
    assert (broken.promise, broken.count) == (promise, 1)
    assert broken.fires == [f"report@{ms(due)}"]


@pytest.mark.parametrize(("story", "promise", "allowed", "due"), CASES)
def test_what_is_allowed_breaks_nothing(story, promise, allowed, due):
    assert broken_promises(story.columns(), story.judged(), allowed) == []
    assert broken_promises(story.columns(), story.judged(), ANYTHING) == []


def test_a_healthy_history_breaks_nothing():
    story = Story().job().due(10.0).run(10.0, 10.0, 10.4)
    assert broken_promises(story.columns(), story.judged(), NOTHING) == []


def test_a_skip_whose_reason_does_not_hold_breaks_the_promise_to_miss_nothing():
    story = Story().job().due(10.0).skip(10.0, 10.1, "overlap")
    [broken] = broken_promises(story.columns(), story.judged(), NOTHING)
    assert broken.promise == "none missed"


def test_a_crash_is_to_be_survived_within_the_bound():
    late = [("failover", 3.5, "fault 0 on i1")]
    [broken] = broken_bounds("crash", late, {"failover": 3.1})
    assert broken.promise == "failover in time"
    assert broken.fires == ["fault 0 on i1 (3.50 s > 3.10 s)"]
    assert broken_bounds("crash", late, {"failover": 3.6}) == []
    assert broken_bounds("crash", late, {"failover": None}) == []


def test_bounds_are_promises_under_a_crash_only():
    assert broken_bounds("pause", [("failover", 9.0, "fault 0 on i1")], {"failover": 3.1}) == []


def test_what_should_have_followed_a_crash_and_never_did_is_not_in_time():
    [broken] = broken_bounds("crash", [("failover", None, "fault 0 on i1")], {"failover": 3.1})
    assert broken.fires == ["fault 0 on i1 (never > 3.10 s)"]
    assert broken_bounds("crash", [("failover", None, "fault 0")], {"failover": None}) == []


def broken(story, scope, allowed=NOTHING):
    found = broken_promises(story.columns(), story.judged(), allowed, scope)
    return {one.promise: one.fires for one in found}


def paused_and_missed(missed):
    """Fires from 10 to 40 of which one is missed; a fault from 20.2 to 23."""
    story = Story().job().due(*range(10, 41)).fault(20.2, "pause", "i1", heal=23.0)
    for due in range(10, 41):
        if due != missed:
            story.run(due, due, due + 0.1)
    return story


@pytest.mark.parametrize("missed", [12, 35])
def test_what_a_fault_excuses_is_not_excused_where_it_could_not_reach(missed):
    scope = Scope(stress="pause", steady=NOTHING, bound_s=3.0)
    allowed = Allowed(missed=True)
    assert broken(paused_and_missed(missed), scope, allowed) == {
        "none missed": [f"report@{ms(missed)}"]
    }


@pytest.mark.parametrize("missed", [20, 22, 29])
def test_what_a_fault_could_reach_is_excused(missed):
    scope = Scope(stress="pause", steady=NOTHING, bound_s=3.0)
    assert broken(paused_and_missed(missed), scope, Allowed(missed=True)) == {}


def test_a_design_that_promises_nothing_in_steady_use_promises_nothing_beside_a_fault():
    assert broken(paused_and_missed(35), Scope(stress="pause"), ANYTHING) == {}


def test_a_stress_without_an_end_excuses_every_fire():
    scope = Scope(stress="clock", steady=NOTHING)
    assert broken(paused_and_missed(35), scope, Allowed(missed=True)) == {}


LATE = Story().job().due(10.0).run(10.0, 10.7, 10.9)
EARLY = Story().job().due(10.0).run(10.0, 9.9, 10.1)


@pytest.mark.parametrize(("story", "promise"), [(LATE, "none late"), (EARLY, "none early")])
def test_a_fire_that_is_late_or_early_breaks_the_steady_promise_and_no_other(story, promise):
    assert broken(story, Scope(stress="steady")) == {promise: [f"report@{ms(10.0)}"]}
    assert broken(story, Scope(stress="burst")) == {}
    assert broken(story, Scope(stress="steady"), Allowed(late=True, early=True)) == {}
    assert broken(story, Scope(stress="steady"), ANYTHING) == {}


def fenced(*runs):
    """Runs of 0.1 s as (start, instance, fence), each of its own fire."""
    story = Story().job().due(*(start for start, _, _ in runs))
    for start, instance, fence in runs:
        story.run(start, start, start + 0.1, instance=instance, fence=fence)
    return story


@pytest.mark.parametrize("fence", [6, 7])
def test_a_new_owner_with_a_fence_that_is_not_higher_breaks_the_promise(fence):
    story = fenced((10.0, "i1", 7), (11.0, "i2", fence))
    assert broken(story, Scope(fence_scope="job")) == {"fences grow": [f"report@{ms(11.0)}"]}


def test_an_instance_may_repeat_its_fence_and_the_next_owner_has_a_higher_one():
    story = fenced((10.0, "i1", 7), (11.0, "i1", 7), (12.0, "i2", 8), (13.0, "i2", 8))
    assert broken(story, Scope(fence_scope="job")) == {}


def test_fences_of_deliveries_are_compared_within_one_fire():
    apart = fenced((10.0, "i1", 1), (11.0, "i2", 1))
    assert broken(apart, Scope(fence_scope="fire")) == {}
    twice = Story().job().due(10.0)
    twice.run(10.0, 10.0, instance="i1", fence=1).died(10.1)
    twice.run(10.0, 13.0, 13.1, instance="i2", fence=1)
    assert broken(twice, Scope(fence_scope="fire")) == {"fences grow": [f"report@{ms(10.0)}"]}


def test_jobs_have_fences_of_their_own():
    story = fenced((10.0, "i1", 7)).job("other").due(11.0, job="other")
    story.run(11.0, 11.0, 11.1, instance="i2", job="other", fence=1)
    assert broken(story, Scope(fence_scope="job")) == {}


def test_who_was_stopped_between_grant_and_start_may_come_late_with_its_older_fence():
    story = fenced((14.0, "i2", 8), (15.05, "i1", 7)).fault(9.9, "pause", "i1", heal=15.0)
    assert broken(story, Scope(fence_scope="job")) == {}
    again = fenced((14.0, "i2", 8), (15.05, "i1", 8)).fault(9.9, "pause", "i1", heal=15.0)
    assert "fences grow" in broken(again, Scope(fence_scope="job"))
    stays = fenced((14.0, "i2", 8), (16.0, "i1", 7)).fault(9.9, "pause", "i1", heal=15.0)
    assert "fences grow" in broken(stays, Scope(fence_scope="job"))


def test_fences_are_judged_only_where_they_are_promised():
    story = fenced((10.0, "i1", 7), (11.0, "i2", 7))
    assert broken(story, Scope(fence_scope=None)) == {}
    assert broken(story, Scope(fence_scope="job"), ANYTHING) == {}


def lost_node() -> Story:
    """Node i1 dies at 61 in a run of `hit`; both jobs are due again at 120 and are never run."""
    story = Story(until=200.0, instances=2).job("hit", 60.0).job("other", 60.0)
    for job in ("hit", "other"):
        story.due(60.0, 120.0, job=job)
    story.run(60.0, 60.1, job="hit").run(60.0, 60.1, 63.0, instance="i2", job="other")
    story.fault(61.0, target="holder", run="i1:1", job="hit").died(61.01)
    return story.run(60.0, 73.0, 76.0, instance="i2", job="hit")


def test_a_fault_excuses_only_what_it_could_have_touched():
    story = lost_node()
    scope = Scope(stress="crash", steady=NOTHING, bound_s=15.0)
    [broken] = broken_promises(story.columns(), story.judged(15.0), Allowed(missed=True), scope)
    assert broken.fires == [f"hit@{ms(120.0)}", f"other@{ms(120.0)}"]


def test_a_fault_whose_effect_lasts_excuses_all_later_fires_of_the_jobs_it_hit_and_no_others():
    story = lost_node()
    scope = Scope(stress="crash", steady=NOTHING, bound_s=15.0, lasting=True)
    [broken] = broken_promises(story.columns(), story.judged(15.0), Allowed(missed=True), scope)
    assert broken.fires == [f"other@{ms(120.0)}"]


def given(node: str, t: float) -> Platform:
    """A pod of the job `other` is bound to the node."""
    return Platform(t=t, instance=node, what="pod-bound", subject="", job="other")


def test_a_job_that_was_given_to_a_lost_node_before_the_loss_was_seen_is_one_that_it_hit():
    story = lost_node()
    struck = next(event for event in story.events if isinstance(event, FaultBegan))
    story.add(
        Platform(
            t=struck.t + 1, instance=struck.instance, what="pod-bound", subject="", job="other"
        ),
        Platform(t=struck.t + 2, instance=struck.instance, what="node-not-ready", subject="n"),
    )
    scope = Scope(stress="crash", steady=NOTHING, bound_s=15.0, lasting=True)
    assert broken_promises(story.columns(), story.judged(15.0), Allowed(missed=True), scope) == []


def test_a_job_that_was_given_to_another_node_is_not_one_that_a_lost_node_hit():
    story = lost_node()
    struck = next(event for event in story.events if isinstance(event, FaultBegan))
    scope = Scope(stress="crash", steady=NOTHING, bound_s=15.0, lasting=True)
    columns = story.add(given("elsewhere", struck.t + 1)).columns()
    assert len(broken_promises(columns, story.judged(15.0), Allowed(missed=True), scope)) == 1
