"""A disk for what is temporary that is full ends a trial, and is told with the way out."""

import errno
from pathlib import Path

import pytest

import bench.room
from bench.cli import _unexpected
from bench.errors import Exit
from bench.leftovers import Registration, running_directory
from bench.plan import Plan
from bench.results import ResultsNotKept
from bench.room import NoRoom, full, no_room, require_room, told_when_full
from bench.scenarios import scenario
from bench.trial import Trial, conduct
from bench.workload import default_workload
from strategies.catalogue import design
from strategies.model import Timing

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


def a_plan() -> Plan:
    return Plan(
        design=design("uncoordinated"), scenario=scenario("steady"), instances=1,
        workload=default_workload(1, 1.0), timing=Timing(), k=1, seed=1,
    )  # fmt: skip


@pytest.fixture
def registration(tmp_path: Path):
    with Registration(tmp_path / "registrations") as one:
        yield one


def test_a_full_disk_is_found_in_a_group_and_other_errors_are_none():
    group = ExceptionGroup("a", [ValueError(), ExceptionGroup("b", [TimeoutError(), NO_SPACE])])
    assert full(group) is NO_SPACE
    assert full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert full(ExceptionGroup("a", [TimeoutError(), OSError(errno.EIO, "i/o")])) is None


def test_where_there_is_room_nothing_is_left_of_asking(tmp_path):
    require_room(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_the_place_the_variable_and_how_to_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(NoRoom) as told, told_when_full(Path("results/x")):
        raise ExceptionGroup("lanes", [NO_SPACE])
    assert str(told.value) == (
        f"{tmp_path}: could not be written (No space left on device); make room there, or set "
        "TMPDIR to another place; trials kept before are untouched: "
        "coordbench bench --resume results/x"
    )
    assert told.value.exit_code == ResultsNotKept("").exit_code == Exit.INTERNAL


def test_a_full_state_directory_is_not_taken_for_the_temporary_one():
    where = str(running_directory() / "1.jsonl")
    said = no_room(OSError(errno.ENOSPC, "No space left on device", where))
    assert said.startswith(f"{running_directory()}: ")
    assert "set XDG_STATE_HOME" in said


@pytest.mark.parametrize("error", [ValueError("x"), OSError(errno.EACCES, "denied")])
def test_any_other_error_stays_what_it_is(error):
    with pytest.raises(type(error)) as raised, told_when_full():
        raise error
    assert raised.value is error


async def test_a_trial_that_meets_a_full_disk_is_not_kept_as_invalid(
    tmp_path, registration, monkeypatch
):
    async def run(*_) -> None:
        raise NO_SPACE

    monkeypatch.setattr(Trial, "run", run)
    with pytest.raises(OSError, match="No space left") as raised:
        await conduct(a_plan(), {}, registration, tmp_path / "t")
    assert full(raised.value)


async def test_neither_is_one_whose_instances_died_there_without_a_word(
    tmp_path, registration, monkeypatch
):
    async def run(trial: Trial, _) -> None:
        trial.done.problems.append("an instance ended by an error")

    def nothing_left(directory: Path) -> None:
        raise NO_SPACE

    monkeypatch.setattr(Trial, "run", run)
    monkeypatch.setattr("bench.trial.require_room", nothing_left)
    with pytest.raises(OSError, match="No space left"):
        await conduct(a_plan(), {}, registration, tmp_path / "t")


def test_a_command_that_keeps_no_results_ends_in_one_line_too(capsys):
    assert _unexpected(NO_SPACE) == Exit.INTERNAL
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert "set TMPDIR" in line


def test_a_write_of_which_only_a_part_goes_is_a_full_disk(tmp_path, monkeypatch):
    class Half:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, data: bytes) -> int:
            return len(data) // 2

    monkeypatch.setattr(bench.room.tempfile, "TemporaryFile", lambda **_: Half())
    with pytest.raises(OSError, match="No space left") as raised:
        require_room(tmp_path)
    assert raised.value.filename == str(tmp_path)
