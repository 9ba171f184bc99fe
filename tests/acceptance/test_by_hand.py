"""A fleet kept up and broken by hand; and nothing stays broken, however its bench ends."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from shell import Shell, wait_for
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.errors import BenchError

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(400)]

UP = ("up", "-n", "3", "--jobs", "4")
SERVERLESS = ("--strategy", "uncoordinated")  # where no server is needed to see it
AT_ONCE_S = 5.0  # a watchdog needs milliseconds; the rest is for a busy machine


class Fleet:
    """`coordbench up` in a pipe, under way."""

    def __init__(self, shell: Shell, *more: str) -> None:
        self.shell = shell
        self.up = shell.start(*UP, *more)
        wait_for(self.up, "jobs are due now")

    def chaos(self, *words: str) -> str:
        done = self._invoke(*words)
        assert done.exception is None, done.exception
        return done.output

    def refused(self, *words: str) -> str:
        error = self._invoke(*words).exception
        assert isinstance(error, BenchError)
        assert error.exit_code == 64
        assert len(str(error).splitlines()) == 1
        return str(error)

    def _invoke(self, *words: str) -> Result:
        """In this process: a dozen interpreters more would make the test a slow one."""
        env = {"XDG_STATE_HOME": self.shell.environment["XDG_STATE_HOME"]}
        return CliRunner().invoke(app, ["chaos", *words], env=env)

    def ends(self, within_s: float = 30) -> tuple[int, str]:
        output, _ = self.up.communicate(timeout=within_s)
        return self.up.returncode, output

    def stopped(self) -> list[str]:
        """What of it is stopped (SIGSTOP) now."""
        return [one.name() for one in self._processes() if one.status() == psutil.STATUS_STOPPED]

    def _processes(self) -> list[psutil.Process]:
        pids = (int(line.split()[0]) for line in self.shell.processes())
        return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]


@pytest.fixture
def bring_up(shell: Shell) -> Iterator[Callable[..., Fleet]]:
    fleets: list[Fleet] = []

    def bring(*more: str) -> Fleet:
        fleets.append(Fleet(shell, *more))
        return fleets[-1]

    yield bring
    for fleet in fleets:
        if fleet.up.poll() is None:
            fleet.up.kill()
        if fleet.up.stdout and not fleet.up.stdout.closed:
            fleet.up.communicate()
    until(lambda: not shell.processes(), 10)


def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_fleet_is_broken_healed_and_ended_from_another_terminal(
    bring_up: Callable[..., Fleet], shell: Shell
) -> None:
    fleet = bring_up()
    assert "nothing is injected" in fleet.chaos("status")
    assert "nothing to heal" in fleet.refused("heal")

    said = fleet.chaos("partition", "--target", "holder", "--direction", "both", "--for", "60s")
    assert said.startswith("#1 partition of i")
    assert "(holder of job-" in said
    victim = said.split()[3]
    assert f"#1 partition of {victim}" in fleet.chaos("status")
    assert f"{victim} is under #1" in fleet.refused("delay", "--target", victim)
    assert fleet.chaos("pause", "--target", victim).startswith(f"#2 pause of {victim}")
    assert "did you mean holder" in fleet.refused("pause", "--target", "holde")
    assert "no fault #9" in fleet.refused("heal", "9")
    assert "backwards" in fleet.refused("pause", "--for", "-1s")
    assert "no leader now" in fleet.refused("kill", "--target", "leader")
    assert "unknown job" in fleet.refused("kill", "--job", "job-9999")
    assert "healed" in fleet.chaos("heal", "2")
    assert fleet.chaos("heal") == f"#1 partition of {victim}: healed\n"

    killed = fleet.chaos("kill", "--target", "i2", "--restart-after", "200ms")
    assert "starts again in 0.2 s" in killed
    until(lambda: "nothing is injected" in fleet.chaos("status"), 20)
    assert "answers again" in fleet.chaos("service", "pause") + fleet.chaos("heal")

    down = shell.run("down")
    assert down.returncode == 0, down.stderr
    kept = shell.home / down.stdout.split("kept in ")[-1].strip()
    code, output = fleet.ends()
    assert output.strip().endswith(f"kept in {kept.relative_to(shell.home)}")
    assert f"#1 partition of {victim}: healed" in output
    assert not shell.processes()
    checked = shell.run("check", str(kept))
    assert checked.returncode == code, checked.stdout + checked.stderr
    assert shell.run("report", str(kept)).returncode == 0
    assert "no fleet is up: start one with coordbench up" in shell.run("down").stderr


def test_ctrl_c_heals_ends_and_keeps_the_history(
    bring_up: Callable[..., Fleet], shell: Shell
) -> None:
    fleet = bring_up()
    fleet.chaos("pause", "--target", "i1")
    fleet.chaos("partition", "--target", "i2")
    until(lambda: bool(fleet.stopped()))
    fleet.up.send_signal(signal.SIGINT)
    _, output = fleet.ends()
    assert "kept in results" in output
    assert not shell.processes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_so_do_sigterm_and_a_closed_terminal(
    bring_up: Callable[..., Fleet], shell: Shell, number: signal.Signals
) -> None:
    fleet = bring_up(*SERVERLESS)
    fleet.chaos("pause", "--target", "i1")
    fleet.up.send_signal(number)
    _, output = fleet.ends()
    assert "kept in results" in output
    assert not shell.processes()


@pytest.mark.parametrize(
    ("fault", "stops"),
    [
        (("partition", "--target", "holder"), False),
        (("pause", "--target", "holder"), True),
        (("service", "pause"), True),
    ],
    ids=["link-cut", "instance-paused", "service-paused"],
)
def test_after_kill_9_nothing_stays_broken(
    bring_up: Callable[..., Fleet], shell: Shell, fault: tuple[str, ...], stops: bool
) -> None:
    """Without any further command: the kernel and the watchdog see the bench die."""
    fleet = bring_up()
    fleet.chaos(*fault)
    until(lambda: bool(fleet.stopped()) is stops)
    fleet.up.kill()
    until(lambda: not shell.processes(), AT_ONCE_S)
    assert not list((shell.home / "state" / "coordbench" / "running").iterdir())


def test_a_paused_postgres_does_not_outlive_its_bench(
    bring_up: Callable[..., Fleet], shell: Shell
) -> None:
    """Its death signal is one that a stopped process cannot handle."""
    fleet = bring_up("--strategy", "postgres-lock")
    fleet.chaos("service", "pause")
    until(lambda: "postgres" in fleet.stopped())
    fleet.up.kill()
    until(lambda: not shell.processes(), AT_ONCE_S)


def test_a_fault_of_a_bench_by_plan_does_not_outlive_it_either(shell: Shell) -> None:
    bench = shell.start("trial", "redis-lock", "service-pause", "-m", "3")
    until(lambda: any(is_stopped(line) for line in shell.processes()), 40)
    bench.kill()
    until(lambda: not shell.processes(), AT_ONCE_S)
    bench.communicate()


def is_stopped(line: str) -> bool:
    try:
        return psutil.Process(int(line.split()[0])).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def test_an_error_heals_too(bring_up: Callable[..., Fleet], shell: Shell) -> None:
    """The relay is lost under the fleet's feet: it ends, and what was paused is not left so."""
    fleet = bring_up()
    fleet.chaos("pause", "--target", "i1")
    relay = next(line for line in shell.processes() if "chaos.links.relay" in line)
    os.kill(int(relay.split()[0]), signal.SIGKILL)
    assert "relay" in fleet.refused("partition", "--target", "i2")
    shell.run("down")
    fleet.ends()
    assert not shell.processes()


def test_down_removes_what_a_killed_fleet_and_its_killed_watchdog_left(
    bring_up: Callable[..., Fleet], shell: Shell
) -> None:
    fleet = bring_up("--strategy", "postgres-lock")
    fleet.chaos("service", "pause")
    watchdog = next(line for line in shell.processes() if "bench.watchdog" in line)
    os.kill(int(watchdog.split()[0]), signal.SIGKILL)
    fleet.up.kill()
    fleet.up.communicate()
    assert "postgres" in " ".join(shell.processes())
    down = shell.run("down")
    assert "left by one that was killed" in down.stdout
    assert not shell.processes()


def test_two_fleets_are_told_apart_by_their_names(
    bring_up: Callable[..., Fleet], shell: Shell
) -> None:
    bring_up("--fleet", "a", *SERVERLESS)
    again = shell.run(*UP, "--fleet", "a")
    assert again.returncode == 64
    assert "is up already" in again.stderr
    second = bring_up("--fleet", "b", *SERVERLESS)
    assert "name one with --fleet (a, b)" in second.refused("status")
    assert "uncoordinated" in second.chaos("status", "--fleet", "b")
    assert "no service" in second.refused("partition", "--fleet", "b")
    assert "did you mean" in second.refused("status", "--fleet", "bb")
    assert shell.run("down", "--fleet", "a").returncode == 0
    assert "uncoordinated" in second.chaos("status")
    assert shell.run("down").returncode == 0
    second.ends()


def test_nobody_else_may_reach_the_socket(bring_up: Callable[..., Fleet], shell: Shell) -> None:
    bring_up(*SERVERLESS)
    (where,) = (shell.home / "state" / "coordbench" / "up").glob("*.json")
    assert (where.parent.stat().st_mode & 0o077) == 0
    socket = Path(where.read_text().split('"socket":"')[1].split('"')[0])
    assert (socket.parent.stat().st_mode & 0o077) == 0


def test_a_fleet_whose_service_cannot_be_had_says_so_in_one_line(shell: Shell) -> None:
    extra = {"COORDBENCH_REDIS_URL": "redis://127.0.0.1:1/0"}
    shell.extra |= extra
    done = shell.run(*UP)
    assert done.returncode == 70
    assert len(done.stderr.splitlines()) == 1
    assert "redis" in done.stderr
    assert not shell.processes()
