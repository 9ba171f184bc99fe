"""No reason is empty: what says nothing of itself is told by its class, or by what it was."""

from pathlib import Path
from types import SimpleNamespace

import pytest

import bench.fleet
from bench.errors import TrialError, told
from bench.fleet import Fleet, FleetError, Instance
from bench.ledger_and_probe import _until_there
from bench.leftovers import Registration
from bench.plan import Plan
from bench.scenarios import scenario
from bench.trial import Trial, conduct
from bench.workload import default_workload
from strategies.catalogue import design
from strategies.model import Timing


@pytest.fixture
def registration(tmp_path: Path):
    with Registration(tmp_path / "registrations") as one:
        yield one


def a_plan() -> Plan:
    return Plan(
        design=design("uncoordinated"),
        scenario=scenario("steady"),
        instances=1,
        workload=default_workload(1, 1.0),
        timing=Timing(),
        k=1,
        seed=1,
    )


def stopped_by(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def run(*_) -> None:
        raise error

    monkeypatch.setattr(Trial, "run", run)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no such job"), "ValueError: no such job"),
        (TimeoutError(), "TimeoutError"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_an_exception_is_told_with_its_class_and_with_what_words_it_has(error, said):
    assert told(error) == said


async def test_a_trial_stopped_by_an_error_without_words_names_its_class(
    tmp_path, registration, monkeypatch
):
    stopped_by(monkeypatch, TimeoutError())
    done = await conduct(a_plan(), {}, registration, tmp_path / "t")
    assert done.problems == ["TimeoutError"]


async def test_an_instance_that_ends_and_says_nothing_is_named_with_its_status(
    tmp_path, registration, monkeypatch
):
    async def run(trial: Trial, _) -> None:
        instance = Instance("i1-ab", 1, tmp_path / "i1.json", ())
        instance.status = 1
        trial._ended(instance)

    monkeypatch.setattr(Trial, "run", run)
    done = await conduct(a_plan(), {}, registration, tmp_path / "t")
    assert done.problems == ["an instance ended by an error: i1-ab ended with 1 and said nothing"]


async def test_helpers_that_never_come_are_waited_for_only_so_long(
    tmp_path, registration, monkeypatch
):
    class Alive:
        alive = True

    async def run(trial: Trial, _) -> None:
        await _until_there([tmp_path / "never"], trial.done.logs, Alive(), Alive())

    monkeypatch.setattr("bench.ledger_and_probe.HELPERS_S", 0.02)
    monkeypatch.setattr(Trial, "run", run)
    done = await conduct(a_plan(), {}, registration, tmp_path / "t")
    said = "a helper of the trial did not start within 0.02 s: it said nothing"
    assert done.problems == [f"{TrialError.__name__}: {said}"]


async def test_an_instance_that_is_never_forked_is_named(tmp_path, registration, monkeypatch):
    monkeypatch.setattr(bench.fleet, "FORK_S", 0.02)

    fleet = Fleet(design("uncoordinated"), registration, tmp_path)
    fleet._nursery = SimpleNamespace(stdin=SimpleNamespace(write=lambda line: None))  # deaf
    with pytest.raises(FleetError, match=r"i1 was not forked within 0\.02 s"):
        await fleet.start("i1", tmp_path / "i1.json")
