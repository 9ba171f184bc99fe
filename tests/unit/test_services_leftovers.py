"""What a bench that was killed has left is found and removed, and nothing else is touched."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from bench import leftovers
from bench.leftovers import Registration

FOR_EVER = [sys.executable, "-S", "-c", "import signal; signal.pause()"]

KILLED_BENCH = """
import os, signal, subprocess, sys
from pathlib import Path
from bench.leftovers import Registration

folder, made = Path(sys.argv[1]), Path(sys.argv[2])
child = subprocess.Popen(sys.argv[3:], start_new_session=True, stdout=subprocess.DEVNULL)
registration = Registration(folder)
registration.process(child.pid, "redis server")
made.mkdir()
(made / "data").write_text("x")
registration.directory(made)
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "running"


@pytest.fixture
def process() -> Iterator[psutil.Process]:
    """Some process that runs until somebody ends it."""
    with ExitStack() as stack:
        child = stack.enter_context(subprocess.Popen(FOR_EVER, start_new_session=True))
        stack.callback(child.kill)
        yield psutil.Process(child.pid)


def killed_bench(folder: Path, made: Path) -> psutil.Process:
    """A bench that started a process, made a directory and was killed; returns the process."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_BENCH, str(folder), str(made), *FOR_EVER],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == -signal.SIGKILL
    return psutil.Process(int(done.stdout))


def ended(process: psutil.Process) -> bool:
    try:
        process.wait(timeout=5)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_what_a_killed_bench_left_is_removed_and_named(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "coordbench-data"
    left = killed_bench(folder, made)
    removed = leftovers.clean(folder)
    assert removed == [f"killed redis server (process {left.pid})", f"removed {made}"]
    assert ended(left)
    assert not made.exists()
    assert list(folder.iterdir()) == []


def test_a_paused_process_is_removed_too(folder: Path, tmp_path: Path) -> None:
    """A bench killed in the middle of a pause leaves a stopped process behind."""
    left = killed_bench(folder, tmp_path / "coordbench-data")
    left.suspend()
    leftovers.clean(folder)
    assert ended(left)


def test_cleaning_twice_finds_nothing_the_second_time(folder: Path, tmp_path: Path) -> None:
    killed_bench(folder, tmp_path / "coordbench-data")
    leftovers.clean(folder)
    assert leftovers.clean(folder) == []


def test_cleaning_before_any_bench_ran_finds_nothing(folder: Path) -> None:
    assert leftovers.clean(folder) == []


def test_a_bench_that_runs_is_left_alone(
    folder: Path, process: psutil.Process, tmp_path: Path
) -> None:
    """Two benches may run at once: the start of one must not end the servers of the other."""
    made = tmp_path / "coordbench-data"
    made.mkdir()
    with Registration(folder) as registration:
        registration.process(process.pid, "redis server")
        registration.directory(made)
        assert leftovers.clean(folder) == []
        assert process.is_running()
        assert made.exists()


def test_leaving_a_registration_removes_what_is_still_there(
    folder: Path, process: psutil.Process, tmp_path: Path
) -> None:
    made = tmp_path / "coordbench-data"
    made.mkdir()
    with Registration(folder) as registration:
        registration.process(process.pid, "redis server")
        registration.directory(made)
    assert ended(process)
    assert not made.exists()
    assert list(folder.iterdir()) == []


def test_a_pid_that_was_used_again_is_not_touched(folder: Path, process: psutil.Process) -> None:
    """The same pid with another start time is another process."""
    write_registration(
        folder,
        {"bench": 1, "ticks": -1, "on": leftovers.machine()},
        {"pid": process.pid, "ticks": -1, "what": "redis server"},
    )
    assert leftovers.clean(folder) == []
    assert process.is_running()


def test_pids_of_another_boot_are_not_touched(folder: Path, process: psutil.Process) -> None:
    """After a reboot only directories can be left; the pids are somebody else's."""
    write_registration(
        folder,
        {"bench": 1, "ticks": 1, "on": "another-boot pid:[1]"},
        {"pid": process.pid, "ticks": leftovers.start_ticks(process.pid), "what": "redis server"},
    )
    assert leftovers.clean(folder) == []
    assert process.is_running()
    assert list(folder.iterdir()) == []


def test_benches_of_another_container_are_left_alone(folder: Path, tmp_path: Path) -> None:
    """Containers that share a home have pids of their own, so one cannot judge the other."""
    boot = leftovers.machine().split()[0]
    write_registration(
        folder,
        {"bench": 1, "ticks": 1, "on": f"{boot} pid:[1]"},
        {"directory": str(tmp_path)},
    )
    assert leftovers.clean(folder) == []
    assert tmp_path.exists()
    assert len(list(folder.iterdir())) == 1


def test_a_line_torn_by_the_kill_is_skipped(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "coordbench-data"
    made.mkdir()
    path = write_registration(
        folder,
        {"bench": 1, "ticks": -1, "on": leftovers.machine()},
        {"directory": str(made)},
    )
    with path.open("a") as file:
        file.write('{"pid": 12')
    assert leftovers.clean(folder) == [f"removed {made}"]


def test_a_link_in_the_place_of_a_directory_is_not_followed(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    link = tmp_path / "coordbench-data"
    link.symlink_to(precious)
    write_registration(
        folder,
        {"bench": 1, "ticks": -1, "on": leftovers.machine()},
        {"directory": str(link)},
    )
    assert leftovers.clean(folder) == []
    assert precious.exists()


def test_registrations_lie_in_the_users_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert leftovers.running_directory() == Path("/somewhere/coordbench/running")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/anna")
    assert leftovers.running_directory() == Path("/home/anna/.local/state/coordbench/running")


def write_registration(folder: Path, *lines: dict[str, object]) -> Path:
    folder.mkdir()
    path = folder / "1-test.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
