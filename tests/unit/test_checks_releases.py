"""Foreign releases: proved by calls that came one after the other, and by nothing less."""

import pytest
from written_histories import Story, at, ms

from bench.checks.promises import broken_promises
from bench.checks.releases import foreign_releases
from strategies.interface import ANYTHING, Allowed
from strategies.notes import Coordinated


def call(story: Story, action: str, instance: str, asked: float, answered: float, **more) -> Story:
    more = {"outcome": "won" if action == "acquire" else "ok", "job": "report", "due": 10.0, **more}
    due_ms = ms(more.pop("due"))
    seconds = answered - asked
    event = Coordinated(
        t=at(answered), instance=instance, action=action, seconds=seconds, due_ms=due_ms, **more
    )
    return story.add(event)


def story() -> Story:
    return Story().job().job("other").due(10.0, 11.0).run(10.0, 10.0, 12.0)


def overtaken(release: str = "i1", **more) -> Story:
    """i1 is granted the lock, i2 is granted it afterwards, and then somebody gives it back."""
    told = call(story(), "acquire", "i1", 10.0, 10.01)
    call(told, "acquire", "i2", 12.0, 12.01, due=11.0)
    return call(told, "release", release, 12.5, 12.51, **more)


def foreign(told: Story) -> list[bool]:
    return foreign_releases(told.columns(), told.judged().fires).tolist()


def test_a_lock_given_back_after_another_was_granted_it_is_a_foreign_release():
    assert foreign(overtaken()) == [True, False]
    told = overtaken()
    [broken] = broken_promises(
        told.columns(), told.judged(), Allowed(missed=True, interrupted=True)
    )
    assert (broken.promise, broken.fires) == ("no foreign releases", [f"report@{ms(10.0)}"])


def test_it_is_no_alarm_where_nothing_is_promised():
    assert broken_promises(overtaken().columns(), overtaken().judged(), ANYTHING) == []


def test_the_new_owners_own_release_is_none():
    assert foreign(overtaken(release="i2", due=11.0)) == [False, False]


def test_a_release_that_was_refused_is_none():
    assert foreign(overtaken(outcome="lost")) == [False, False]


def test_a_release_of_another_job_is_none():
    assert not any(foreign(overtaken(job="other")))


def test_a_release_that_may_have_come_first_is_none():
    """Both calls were under way at once: nobody can say which of them the service saw first."""
    told = call(story(), "acquire", "i1", 10.0, 10.01)
    call(told, "acquire", "i2", 12.0, 12.6, due=11.0)
    assert foreign(call(told, "release", "i1", 12.5, 12.7)) == [False, False]


def test_a_grant_that_may_have_come_before_the_releasers_own_is_none():
    """i2's answer came late: it was granted the lock, lost it, and i1 is its successor."""
    told = call(story(), "acquire", "i2", 9.0, 12.0, due=11.0)
    call(told, "acquire", "i1", 11.9, 12.1)
    assert foreign(call(told, "release", "i1", 12.5, 12.51)) == [False, False]


@pytest.mark.parametrize(("kind", "counts"), [("suspend", False), ("pause", True)])
def test_the_measure_of_a_clock_that_stood_still_proves_nothing(kind, counts):
    told = overtaken().fault(10.5, kind, instance="i1", heal=12.4)
    assert any(foreign(told)) is counts


def test_releases_in_their_order_break_nothing():
    told = story()
    for n, owner in enumerate(("i1", "i2", "i1", "i1", "i2")):
        call(told, "acquire", owner, 10.0 + n, 10.1 + n)
        call(told, "release", owner, 10.5 + n, 10.6 + n)
    assert not any(foreign(told))
