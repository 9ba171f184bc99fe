"""Known failures: each entry is whole, says where it was reported, and can be run."""

import re

import pytest

from bench.checks.outcomes import Outcome
from bench.errors import BadArguments, Exit
from bench.known_failures import daylight
from bench.known_failures.again import Shown, planned
from bench.known_failures.command import list_failures, run_failures, tables
from bench.known_failures.data import VIRTUAL, Failure, failures
from bench.known_failures.mutants import MUTANTS
from strategies.catalogue import design

FLAGS = {"duplicate", "overlap", "repeated-effect", "stale-effect", "early", "phantom"}
WORDS = {outcome.word for outcome in Outcome} | FLAGS | {"foreign-release"}

each_failure = pytest.mark.parametrize("failure", failures().values(), ids=lambda one: one.id)


def test_there_are_at_least_twelve_each_under_a_name_of_its_own():
    names = re.findall(r"[a-z]+(?:-[a-z]+)*", " ".join(failures()))
    assert names == list(failures())
    assert len(failures()) >= 12
    assert len({failure.issue for failure in failures().values()}) == len(failures())


@each_failure
def test_a_failure_says_where_it_was_reported_and_by_what_it_shows(failure: Failure):
    assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+|https://\S+", failure.issue)
    assert failure.link.startswith("https://")
    assert failure.shows
    assert set(failure.shows) <= WORDS
    assert min(failure.shows.values()) >= 1
    assert "|" not in "".join([failure.happened, failure.mode, failure.stops, failure.reported])


@each_failure
def test_a_failures_mode_exists_and_its_trial_can_be_planned(failure: Failure):
    assert design(failure.strategy).services or failure.strategy == "uncoordinated"
    if failure.scenario != VIRTUAL:
        plan = planned(failure, 1)
        assert plan.why_not is None
        assert plan.expected_s < 200


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mode_of_its_own_replaces_something_that_is_there(mutant):
    for change in mutant.changes:
        _, _, original = change.place()
        assert change.instead(original) is not original


def test_at_half_past_two_in_berlin_the_clocks_face_misses_one_fire_and_doubles_another():
    failure = failures()["spring-forward-fall-back"]
    found = daylight.run(design(failure.strategy))
    assert {word: len(found.get(word, [])) for word in failure.shows} == failure.shows
    assert daylight.run(design("redis-lock")) == {}


def test_what_was_seen_is_told_beside_what_was_asked_for():
    failure = failures()["between-two-leaders"]
    again = Shown(failure, 1, {"missed": 7}, 105, "2026-11-21")
    assert again.again
    text = "\n".join(tables([again]))
    assert "found again in 1 trial, 2026-11-21: 7 missed (at least 1) of 105 fires" in text
    assert "https://github.com/dkron-io/dkron/issues/1210" in text
    assert "coordbench known-failures between-two-leaders" in text


def test_a_failure_that_does_not_show_is_not_called_found():
    failure = failures()["watchdog-asleep"]
    partly = Shown(failure, 3, {"overlap": 2})
    assert not partly.again
    assert "NOT found again in 3 trials" in "\n".join(tables([partly]))
    assert not Shown(failure, 0, {}).again


def test_the_list_names_every_failure_and_how_to_run_it(capsys: pytest.CaptureFixture[str]):
    assert list_failures() == Exit.KEPT
    said = capsys.readouterr().out
    assert all(id_ in said for id_ in failures())
    assert "coordbench known-failures ID" in said


def test_an_unknown_failure_is_one_clear_line(tmp_path):
    with pytest.raises(BadArguments, match="unknown failure 'leader-by-nam': did you mean leader"):
        run_failures(["leader-by-nam"], tmp_path, None, None)
