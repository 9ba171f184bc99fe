"""The pods' image, as far as it can be checked without an engine: what is built, copied and run."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bench.kubernetes_binaries import POD_COMMAND, POD_MODULE
from bench.services.kubernetes.provider import DEFAULT_IMAGE
from strategies.cronjob.manifests import POD_COMMAND as IN_MANIFESTS

ROOT = Path(__file__).parents[2]
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT"}


@pytest.fixture
def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's instructions as (word, rest), by stage."""
    text = (POD_MODULE / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found: list[list[tuple[str, str]]] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        assert word in KNOWN, line
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found


def of(stage: list[tuple[str, str]], word: str) -> str:
    [rest] = [rest for one, rest in stage if one == word]
    return rest


def test_the_builder_is_pinned_and_the_image_holds_nothing_else(
    stages: list[list[tuple[str, str]]],
) -> None:
    build, image = stages
    wanted = re.search(r"^go ([\d.]+)", (POD_MODULE / "go.mod").read_text(), re.M)
    assert wanted is not None
    assert re.fullmatch(rf"golang:{re.escape(wanted[1])}\.\d+ AS build", of(build, "FROM"))
    assert of(image, "FROM") == "scratch"


def test_what_is_copied_exists_and_is_all_of_the_module(
    stages: list[list[tuple[str, str]]],
) -> None:
    *patterns, _ = shlex.split(of(stages[0], "COPY"))
    copied = {path for pattern in patterns for path in POD_MODULE.glob(pattern)}
    assert copied == {path for path in POD_MODULE.iterdir() if path.suffix in (".go", ".mod")}


def test_it_is_built_as_the_nodes_own_is(stages: list[list[tuple[str, str]]]) -> None:
    """The same program: static, without paths, the same flags as the build into the cache."""
    command = shlex.split(of(stages[0], "RUN"))
    assert command[:3] == ["CGO_ENABLED=0", "go", "build"]
    assert {"-trimpath", "-mod=readonly", "-buildvcs=false"} < set(command)
    assert command[command.index("-ldflags") + 1] == "-s -w"
    assert command[command.index("-o") + 1] in of(stages[1], "COPY")


def test_the_manifests_command_is_found_in_it_and_runs_as_nobody(
    stages: list[list[tuple[str, str]]],
) -> None:
    image = stages[1]
    target = Path(shlex.split(of(image, "COPY"))[-1])
    assert target.name == POD_COMMAND == IN_MANIFESTS[0]
    assert of(image, "ENV") == f"PATH={target.parent}"
    assert of(image, "ENTRYPOINT") == f'["{target}", "{IN_MANIFESTS[1]}"]'
    assert int(of(image, "USER")) > 0


def test_make_image_builds_what_the_provider_names(tmp_path: Path) -> None:
    done = make(tmp_path, engine=0)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().splitlines()[-1] == (
        f"build --tag {DEFAULT_IMAGE} {POD_MODULE.relative_to(ROOT)}"
    )
    assert DEFAULT_IMAGE in done.stdout


def test_make_image_without_an_engine_is_one_line_and_no_success(tmp_path: Path) -> None:
    done = make(tmp_path, engine=1)
    assert done.returncode != 0
    said, make_itself = done.stderr.splitlines()
    assert said == "no Docker engine answers: start Docker, or set DOCKER_HOST"
    assert make_itself.startswith("make:")
    assert "build" not in (tmp_path / "calls").read_text()


def make(folder: Path, engine: int) -> subprocess.CompletedProcess[str]:
    """`make image` with a docker command of ours, which answers `version` with status `engine`."""
    docker = folder / "docker"
    docker.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n[ "$1" = version ] && exit {engine}\nexit 0\n'
    )
    docker.chmod(0o755)
    return subprocess.run(
        ["make", "--no-print-directory", "image"],
        cwd=ROOT, env={"PATH": f"{folder}:/usr/bin:/bin", "LC_ALL": "C"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
