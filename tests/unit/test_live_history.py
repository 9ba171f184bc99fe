"""Following histories while they are written: who holds what now."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.events import InstanceReady, RunEnded, RunStarted
from bench.live_history import LiveHistory
from bench.recorder import Recorder
from strategies.notes import Coordinated, Granted, Lost


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveHistory]:
    following = LiveHistory(tmp_path)
    yield following
    following.close()


def recorder(path: Path, name: str) -> Recorder:
    ticks = iter(range(1000))
    return Recorder(path / f"{name}.jsonl", name, lambda: float(next(ticks)))


def test_a_started_run_is_open_until_it_ends(tmp_path: Path, live: LiveHistory) -> None:
    writing = recorder(tmp_path, "i1")
    writing.record(RunStarted(run="i1:1", job="j", due_ms=1))
    live.read()
    run = live.open_run("j")
    assert run is not None
    assert run.instance == "i1"
    writing.record(RunEnded(run="i1:1", status="succeeded"))
    live.read()
    assert live.open_run("j") is None


def test_of_two_open_runs_the_latest_counts_and_one_instance_can_be_left_out(
    tmp_path: Path,
    live: LiveHistory,
) -> None:
    first, second = recorder(tmp_path, "i1"), recorder(tmp_path, "i2")
    first.record(RunStarted(run="i1:1", job="j", due_ms=1), t=1.0)
    second.record(RunStarted(run="i2:1", job="j", due_ms=2), t=2.0)
    live.read()
    latest, other = live.open_run("j"), live.open_run("j", not_on="i2")
    assert latest is not None
    assert other is not None
    assert (latest.instance, other.instance) == ("i2", "i1")


def test_a_dead_instance_holds_nothing(tmp_path: Path, live: LiveHistory) -> None:
    writing = recorder(tmp_path, "i1")
    writing.record(Granted(subject="leader", fence=1))
    writing.record(RunStarted(run="i1:1", job="j", due_ms=1))
    live.read()
    live.forget("i1")
    assert live.open_run("j") is None
    assert not live.leaders


def test_a_leader_leads_until_it_says_that_it_lost(tmp_path: Path, live: LiveHistory) -> None:
    writing = recorder(tmp_path, "i1")
    writing.record(Granted(subject="leader", fence=1))
    live.read()
    assert list(live.leaders) == ["i1"]
    writing.record(Lost(subject="leader", reason="session expired"))
    live.read()
    assert not live.leaders


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(
    tmp_path: Path, live: LiveHistory
) -> None:
    file = tmp_path / "i1.jsonl"
    file.write_bytes(b'{"type":"instance-ready","t":1.0,"inst')
    assert live.read() == []
    with file.open("ab") as more:
        more.write(b'ance":"i1"}\n')
    assert live.read() == [InstanceReady(t=1.0, instance="i1")]
    assert live.ready == {"i1"}


async def test_waiting_for_what_never_happens_ends_with_false(live: LiveHistory) -> None:
    assert not await live.until(lambda: False, timeout_s=0.05)


def test_who_had_a_publication_taken_is_a_scheduler(tmp_path: Path, live: LiveHistory) -> None:
    for name, outcome in (("i1", "lost"), ("i2", "ok")):
        call = Coordinated(action="publish", seconds=0.1, outcome=outcome, job="j", due_ms=1)
        recorder(tmp_path, name).record(call)
    live.read()
    assert list(live.publishers) == ["i2"]
    live.forget("i2")
    assert not live.publishers
