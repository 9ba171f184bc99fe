"""What the commands say, and with which exit code they end, for good and bad input."""

import subprocess
import sys
from pathlib import Path

import pytest
from shell import Shell

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"


def test_help_names_every_command_and_where_to_start(shell: Shell) -> None:
    done = shell.run("--help")
    assert done.returncode == 0
    for command in ("bench", "trial", "check", "matrix", "list", "doctor", "clean"):
        assert f"\n  {command} " in done.stdout
    assert "Start with" in done.stdout


@pytest.mark.parametrize("command", ["bench", "trial", "check", "matrix", "list"])
def test_the_help_of_a_command_shows_examples(shell: Shell, command: str) -> None:
    done = shell.run(command, "--help")
    assert done.returncode == 0
    assert f"coordbench {command}" in done.stdout


def test_list_shows_strategies_controls_scenarios_and_services(shell: Shell) -> None:
    done = shell.run("list")
    assert done.returncode == 0
    for word in ("redis-lock", "quartz-skip-locked", "never-runs", "pause", "zookeeper"):
        assert word in done.stdout
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= 80


def test_doctor_has_a_row_for_every_service(shell: Shell) -> None:
    done = shell.run("doctor")
    assert done.returncode in (0, 2)
    for service in ("redis", "postgres", "zookeeper", "etcd"):
        assert f"\n{service} " in done.stdout


def test_clean_says_when_there_is_nothing_to_remove(shell: Shell) -> None:
    done = shell.run("clean")
    assert (done.returncode, done.stdout) == (0, "nothing was left behind\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bench", "--strategies", "redis-lok"], "redis-lock"),
        (["bench", "--scenarios", "crahs"], "crash"),
        (["bench", "-n", "0"], "N (instances) is 0"),
        (["bench", "-m", "-5"], "M (jobs) is -5"),
        (["bench", "-n", "many"], "many"),
        (["bench", "--period", "0.01"], "0.01s"),
        (["bench", "--timing", "fast"], "fast"),
        (["bench", "--profile", "broken.toml"], "broken.toml"),
        (["bench", "--profile", "none"], "quick, full"),
        (["bench", "--workload", "jobs.toml"], "cannot be parsed"),
        (["bench", "--colour", "red"], "--colour"),
        (["trial", "quartz"], "scenario"),
        (["list", "planets"], "planets"),
        (["matrix", ".", "--format", "pdf"], "pdf"),
        (["brench"], "brench"),
    ],
)
def test_bad_arguments_end_with_64_and_one_line_that_names_the_value(
    shell: Shell, arguments: list[str], said: str
) -> None:
    (shell.home / "broken.toml").write_text("trials = ")
    (shell.home / "jobs.toml").write_text('[[jobs]]\nname = "a"\ncron = "at noon"\n')
    done = shell.run(*arguments)
    assert done.returncode == 64, done
    assert done.stderr.startswith("coordbench: ")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (shell.home / "results").exists()


@pytest.mark.parametrize("command", [["matrix", "."], ["check", "."], ["bench", "--resume", "."]])
def test_a_directory_that_holds_no_results_ends_with_2(shell: Shell, command: list[str]) -> None:
    done = shell.run(*command)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("sample", "code"), [("healthy", 0), ("duplicate", 1), ("missed", 1)])
def test_somebody_elses_history_is_judged(shell: Shell, sample: str, code: int) -> None:
    done = shell.run("check", str(SAMPLES / f"{sample}.jsonl"))
    assert done.returncode == code, done.stdout
    if code:
        assert sample in done.stdout


def test_a_garbled_line_of_a_history_is_named_by_its_number(shell: Shell) -> None:
    lines = (SAMPLES / "healthy.jsonl").read_text().splitlines()
    lines[3] = '{"type": "run-star'
    (shell.home / "mine.jsonl").write_text("\n".join(lines))
    done = shell.run("check", "mine.jsonl")
    assert done.returncode == 2
    assert "mine.jsonl:4" in done.stderr


def test_a_url_that_does_not_answer_leaves_its_strategies_not_run_and_hides_the_password(
    shell: Shell,
) -> None:
    shell.extra["COORDBENCH_REDIS_URL"] = "redis://:open-sesame@127.0.0.1:1/0"
    done = shell.run("bench", "--strategies", "redis-lock", "--scenarios", "steady", "-k", "1")
    assert "not run" in done.stdout
    assert "nothing was measured" in done.stdout
    assert done.returncode == 2
    assert "open-sesame" not in done.stdout + done.stderr
    files = [path for path in (shell.home / "results").rglob("*") if path.is_file()]
    assert files
    assert not any(b"open-sesame" in path.read_bytes() for path in files)


def on_a_disk_of(size: str, shell: Shell, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run with a file system of that size at `full`, which this command alone can see."""
    (shell.home / "full").mkdir()
    mounted = f'mount -t tmpfs -o size={size} none full && exec "$@"'
    inside = ["unshare", "-Urm", "sh", "-c", mounted, "-"]
    if subprocess.run(
        [*inside, "true"], cwd=shell.home, capture_output=True, check=False
    ).returncode:
        pytest.skip("no file system can be mounted here: user namespaces are off")
    return subprocess.run(
        [*inside, *arguments],
        capture_output=True,
        text=True,
        cwd=shell.home,
        env=shell.environment,
        check=False,
    )


def test_a_disk_that_is_full_ends_with_70_and_one_line_that_names_the_place_and_the_way_out(
    shell: Shell,
) -> None:
    bench = [sys.executable, "-m", "bench.cli", "bench", "--out", "full"]
    done = on_a_disk_of("4k", shell, *bench)
    assert done.returncode == 70, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("coordbench: full/")
    assert "No space left on device" in line
    assert "make room there, or choose another place" in line
    assert "starting" not in done.stdout


@pytest.mark.parametrize("size", ["4k", "32k"])
def test_so_does_a_full_disk_for_what_is_temporary_and_no_trial_of_it_is_kept(
    shell: Shell, size: str
) -> None:
    temporary = f"TMPDIR={shell.home}/full"
    trial = [sys.executable, "-m", "bench.cli", "trial", "uncoordinated", "steady", "-n", "2"]
    done = on_a_disk_of(size, shell, "env", temporary, *trial)
    assert done.returncode == 70, done
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"coordbench: {shell.home}/full: ")
    assert "No space left on device" in line
    assert "make room there, or set TMPDIR to another place" in line
    path = shell.home / line.rpartition("coordbench bench --resume ")[2]
    assert (path / "config.json").is_file()
    assert not (path / "trials").exists()
