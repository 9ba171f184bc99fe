"""The watchdog heals what a killed bench has broken, at once, and leaves a living bench alone."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.leftovers import Registration
from bench.watchdog import watched

# A server whose death signal it would have to handle: stopped, it cannot, as PostgreSQL cannot.
BENCH = """
import os, signal, subprocess, sys
from pathlib import Path
from bench.leftovers import Registration
from bench.watchdog import watched

registration = Registration(Path(sys.argv[1]))
with watched(registration):
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", "import signal; signal.pause()"], start_new_session=True
    )
    registration.process(child.pid, "server")
    made = Path(sys.argv[2])
    made.mkdir()
    registration.directory(made)
    os.kill(child.pid, signal.SIGSTOP)
    print(child.pid, flush=True)
    if sys.argv[3] == "ends":
        child.kill()
        child.wait()
        registration.close()
    else:
        signal.pause()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", BENCH, str(tmp_path / "running"), str(tmp_path / "made")]
    with subprocess.Popen([*command, "waits"], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def started(bench: subprocess.Popen[str]) -> psutil.Process:
    assert bench.stdout is not None
    return psutil.Process(int(bench.stdout.readline()))


def test_a_stopped_process_does_not_outlive_the_bench(bench: subprocess.Popen[str]) -> None:
    server = started(bench)
    until(lambda: server.status() == psutil.STATUS_STOPPED)
    bench.send_signal(signal.SIGKILL)
    server.wait(3.0)  # the watchdog itself may still be starting


def test_directories_and_the_registration_are_removed_too(
    bench: subprocess.Popen[str], tmp_path: Path
) -> None:
    started(bench)
    bench.kill()
    until(lambda: not list((tmp_path / "running").iterdir()))
    assert not (tmp_path / "made").exists()


def test_after_an_orderly_end_the_watchdog_is_gone_and_had_nothing_to_do(tmp_path: Path) -> None:
    registration = Registration(tmp_path / "running")
    with watched(registration):
        until(lambda: bool(watchdogs()))  # a process that has just begun has no name for a moment
        (watchdog,) = watchdogs()
    assert not watchdog.is_running()
    assert registration.path.exists()
    registration.close()


def watchdogs() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "bench.watchdog" in said(one)]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def said(process: psutil.Process) -> str:
    return " ".join(process.cmdline())
