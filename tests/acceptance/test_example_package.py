"""A strategy from somebody else's package appears in every command, and is measured."""

import subprocess
import sys
from pathlib import Path

import pytest
from shell import Shell

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "coordbench-flock"


@pytest.fixture
def installed(shell: Shell, tmp_path: Path) -> Shell:
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for file in EXAMPLE.glob("*.*"):  # a copy, so that the build leaves nothing in the checkout
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--disable-pip-version-check"),
            *("--target", str(target), str(source)),
        ],
        check=True,
    )
    shell.extra["PYTHONPATH"] = str(target)
    return shell


def test_it_is_listed(installed: Shell) -> None:
    assert "\nflock " in installed.run("list", "strategies").stdout


@pytest.mark.slow
def test_it_is_measured_and_keeps_its_promise_when_its_holder_is_killed(installed: Shell) -> None:
    done = installed.run("trial", "flock", "crash")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill of i" in done.stdout
    assert "1 recovered" in done.stdout or "recovered" in done.stdout


def test_without_it_the_name_is_unknown(shell: Shell) -> None:
    done = shell.run("trial", "flock", "crash")
    assert done.returncode == 64
    assert "flock" in done.stderr
