"""Failed runs: tried again while there are tries, and not once more."""

from written_histories import Story, ms

from bench.checks.promises import broken_promises
from strategies.interface import NOTHING, Allowed


def failing(*ends: str, tries: int = 3, until: float = 60.0) -> Story:
    """A fire whose runs end as told, one a second."""
    story = Story(until=until).job(tries=tries).due(10.0)
    for n, status in enumerate(ends):
        story.run(10.0, 10.0 + n, 10.4 + n, status)
    return story


def broken(story: Story) -> dict[str, list[str]]:
    found = broken_promises(story.columns(), story.judged(), NOTHING)
    return {one.promise: one.fires for one in found}


def test_a_failed_run_that_nobody_tried_again_breaks_its_promise():
    assert broken(failing("failed")) == {"failed runs are tried again": [f"report@{ms(10.0)}"]}
    assert broken(failing("failed", "failed")) != {}


def test_a_fire_whose_tries_are_used_up_has_failed_and_broke_nothing():
    assert broken(failing("failed", "failed", "failed")) == {}


def test_a_failure_followed_by_a_success_breaks_nothing():
    assert broken(failing("failed", "succeeded")) == {}
    assert broken(failing("failed", "failed", "succeeded")) == {}


def test_a_run_after_all_tries_have_failed_is_one_too_many():
    assert broken(failing("failed", "failed", "failed", "failed")) == {
        "no more tries than declared": [f"report@{ms(10.0)}"]
    }
    assert "no more tries than declared" in broken(failing(*["failed"] * 3, "succeeded"))


def test_without_declared_tries_nothing_is_expected():
    assert broken(failing("failed", tries=1)) == {}
    assert broken(failing("failed", "failed", tries=1)) == {}


def test_there_must_have_been_time_to_try_again():
    assert broken(failing("failed", until=14.0)) == {}


def test_under_a_fault_tries_are_not_judged():
    story = failing("failed").fault(9.0, "pause", instance="i2", heal=9.5)
    assert broken_promises(story.columns(), story.judged(), Allowed()) == []
