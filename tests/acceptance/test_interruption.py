"""Ctrl-C, SIGTERM and kill -9 in the middle of a bench: nothing lost, nothing left, and resumed."""

import random
import signal
import subprocess
import time

import pytest
from shell import Shell, wait_for

# A bench repeats what the machine was too busy for, up to three times a trial.
pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(400)]

NODES = ("--strategies", "cronjob", "--scenarios", "steady", "-n", "2", "-m", "2", "-k", "2")
ONE_CELL = ("--strategies", "redis-lock", "--scenarios", "steady", "-m", "3", "--period", "0.5")


def end(process: subprocess.Popen[str], within_s: float) -> tuple[int, str, float]:
    began = time.monotonic()
    output, _ = process.communicate(timeout=within_s)
    return process.returncode, output, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bench_keeps_its_trials_and_says_how_to_go_on(
    shell: Shell, number: signal.Signals
) -> None:
    bench = shell.start("bench", *ONE_CELL, "-k", "2")
    wait_for(bench, "[1/2]")
    bench.send_signal(number)
    code, output, took_s = end(bench, 20)
    assert code == 130
    assert took_s < 5
    assert "1 trial kept" in output
    assert (shell.home / "results/latest/report.html").is_file()
    assert "report.html" in output
    assert not shell.processes()

    resume = output.split("coordbench bench ")[-1].split()
    done = shell.run("bench", *resume)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 trial (1 kept from before)" in done.stdout


def test_after_kill_9_the_next_start_removes_what_was_left_and_resumes(shell: Shell) -> None:
    bench = shell.start("bench", *ONE_CELL, "-k", "2")
    wait_for(bench, "[1/2]")
    time.sleep(random.Random().uniform(0, 3))  # a random moment is the point
    bench.kill()
    bench.communicate()
    done = shell.run("bench", "--resume", "results/latest")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kept from before" in done.stdout
    assert not shell.processes()
    assert not list((shell.home / "state").rglob("*.jsonl"))


def nodes_are_up(shell: Shell) -> bool:
    return sum("coordbench-pod keep" in line for line in shell.processes()) == 4


def bench_with_nodes(shell: Shell) -> subprocess.Popen[str]:
    """A bench whose control plane and node agents are all there, before the load."""
    bench = shell.start("bench", *NODES)
    output = wait_for(bench, "2 trials")
    if "not run: kubernetes" in output:
        bench.wait(30)
        pytest.skip(output)
    deadline_s = time.monotonic() + 60
    while not nodes_are_up(shell) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert nodes_are_up(shell), shell.processes()
    return bench


def test_an_interrupted_bench_leaves_no_control_plane_node_or_pod_behind(shell: Shell) -> None:
    bench = bench_with_nodes(shell)
    bench.send_signal(signal.SIGINT)
    code, output, took_s = end(bench, 30)
    assert code == 130, output
    assert took_s < 15
    assert "coordbench bench --resume" in output
    assert not shell.processes()
    assert not list((shell.home / "state").rglob("*.jsonl"))


def test_after_kill_9_clean_leaves_no_control_plane_node_or_pod_behind(shell: Shell) -> None:
    bench = bench_with_nodes(shell)
    bench.kill()
    bench.communicate()
    done = shell.run("clean")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [line for line in shell.processes() if "bench.watchdog" not in line]
    assert not list((shell.home / "state").rglob("*.jsonl"))
    deadline_s = time.monotonic() + 15  # the watchdog ends once it has seen that nothing is left
    while shell.processes() and time.monotonic() < deadline_s:
        time.sleep(0.1)
