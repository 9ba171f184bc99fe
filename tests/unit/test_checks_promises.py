"""Broken promises: each kind provoked, and each excused where the design says so."""

import pytest
from written_histories import Story, ms

from bench.checks.promises import broken_bounds, broken_promises
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
