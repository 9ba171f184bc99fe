"""`coordbench claims` and `coordbench advise` as a person or a pipe uses them."""

import json
from datetime import date
from pathlib import Path

import pytest
from shell import Shell, wait_for

from bench.matrix import to_json
from bench.results import Results

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CASE = ("-n", "5", "-m", "3", "--period", "1m", "--operated", "redis", "--team", "small")


@pytest.fixture
def results(shell: Shell) -> Path:
    """A result set with nothing measured in it: what is said then comes from rules."""
    path = shell.home / "empty"
    path.mkdir()
    (path / "config.json").write_text('{"version": 1}')
    (path / "environment.json").write_text("{}")
    (path / "matrix.json").write_text(to_json([]))
    assert Results.reading(path).judgements() == []
    return path


def test_claims_print_in_a_pipe_within_80_columns(shell: Shell, results: Path):
    done = shell.run("claims", str(results))
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert len(line) <= 80 or line.strip().startswith("coordbench "), line
    assert "\x1b" not in done.stdout
    rows = json.loads(shell.run("claims", str(results), "--format", "json").stdout)
    assert {row["number"] for row in rows} == set(range(1, 30))


def test_advice_in_a_pipe_and_a_decision_record(shell: Shell, results: Path):
    done = shell.run("advise", *CASE, "--results", str(results), "--adr", "decision.md")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("this case: ")
    assert done.stdout.rstrip().endswith("decision.md")
    record = (shell.home / "decision.md").read_text()
    assert record.startswith("# How scheduled jobs of this case run once: ")
    assert f"Date: {date.today().isoformat()}" in record


def test_advice_as_json_is_json_alone(shell: Shell, results: Path):
    done = shell.run(
        "advise", *CASE, "--results", str(results), "--format", "json", "--adr", "a.md"
    )
    told = json.loads(done.stdout)
    assert told["case"]["operated"] == ["redis"]
    assert "a.md" in done.stderr


def test_flags_go_over_a_file(shell: Shell, results: Path):
    (shell.home / "case.toml").write_text('instances = 5\njobs = 3\nperiod = "1m"\n')
    asked = ("advise", "case.toml", "-n", "50", "--results", str(results), "--format", "json")
    assert json.loads(shell.run(*asked).stdout)["case"]["instances"] == 50


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("advise", "-n", "-3", "-m", "3", "--period", "1m"), 64, "instances: -3 given"),
        (("advise", "-m", "3", "--period", "1m"), 64, "instances is not said"),
        (("advise", *CASE, "--operated", "rediss"), 64, "did you mean redis?"),
        (("advise", "nowhere.toml"), 64, "case nowhere.toml: No such file"),
        (("advise", *CASE, "--format", "xml"), 64, "expected one of table, json"),
        (("claims", "--only", "drains", "--run"), 64, "did you mean drain or trials?"),
        (("claims", "nowhere"), 2, "coordbench bench makes one"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    shell: Shell, results: Path, arguments: tuple[str, ...], status: int, said: str
):
    more = ("--results", str(results)) if arguments[0] == "advise" else ()
    done = shell.run(*arguments, *more)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_results_that_are_not_there_name_the_command_that_makes_them(shell: Shell):
    done = shell.run("advise", *CASE, "--results", "nowhere")
    assert done.returncode == 2
    assert "coordbench bench makes one" in done.stderr


@pytest.mark.servers
@pytest.mark.slow
def test_a_run_that_is_told_to_stop_says_how_to_go_on_and_goes_on(shell: Shell):
    """SIGTERM between two experiments: the first is kept and is not run again."""
    arguments = ("claims", "--run", "--only", "lock-latency,short-ttl")
    process = shell.start(*arguments, "--out", "claims")
    read = wait_for(process, "/2]")
    process.terminate()
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "to go on: coordbench claims --run" in read + rest
    assert len(list((shell.home / "claims").glob("latest/experiments/*.json"))) == 1
    assert shell.processes() == []
