"""What the recorder puts into a history file, and what it only counts."""

import errno
import os
from pathlib import Path

import pytest

from bench.events import Counters, RunStarted, decode
from bench.recorder import Recorder
from strategies.notes import Coordinated, Event


def recorder(path: Path) -> Recorder:
    return Recorder(path / "i1.jsonl", "i1", lambda: 12.5)


def events(path: Path) -> list[Event]:
    return [decode(line) for line in (path / "i1.jsonl").read_bytes().splitlines()]


def test_every_event_is_on_disk_as_soon_as_it_is_recorded(tmp_path: Path) -> None:
    recorder(tmp_path).record(RunStarted(run="i1:1", job="j", due_ms=1))
    assert events(tmp_path) == [RunStarted(t=12.5, instance="i1", run="i1:1", job="j", due_ms=1)]


def test_the_winning_call_is_an_event(tmp_path: Path) -> None:
    note = Coordinated(action="acquire", seconds=0.1, outcome="won", job="j", due_ms=1)
    recorder(tmp_path).note(note)
    assert [event.action for event in events(tmp_path) if isinstance(event, Coordinated)] == [
        "acquire"
    ]


def test_losing_calls_are_counted_and_their_time_is_added_up(tmp_path: Path) -> None:
    writing = recorder(tmp_path)
    for _ in range(3):
        writing.note(Coordinated(action="acquire", seconds=0.5, outcome="lost", job="j", due_ms=1))
    assert not events(tmp_path)
    writing.flush()
    (counted,) = events(tmp_path)
    assert isinstance(counted, Counters)
    assert counted.counts["acquire.lost"] == 3
    assert counted.counts["acquire.lost.s"] == 1.5


def test_counts_start_again_after_a_flush_but_cpu_time_is_a_total(tmp_path: Path) -> None:
    writing = recorder(tmp_path)
    writing.note(Coordinated(action="renew", seconds=0.5, outcome="ok"))
    writing.flush()
    writing.flush()
    first, second = events(tmp_path)
    assert isinstance(first, Counters)
    assert isinstance(second, Counters)
    assert "renew.ok" not in second.counts
    assert second.counts["cpu_s_total"] >= first.counts["cpu_s_total"]


def test_a_full_disk_is_an_error_and_not_a_silent_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """`/dev/full` answers every write as a full disk does."""
    writing = Recorder(Path("/dev/full"), "i1", lambda: 0.0)
    with pytest.raises(OSError, match="No space left") as failure:
        writing.record(RunStarted(run="i1:1", job="j", due_ms=1))
    assert failure.value.errno == errno.ENOSPC


def test_a_line_that_was_cut_by_a_full_disk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = recorder(tmp_path)
    monkeypatch.setattr(os, "write", lambda file, line: len(line) - 1)
    with pytest.raises(OSError, match="disk full"):
        writing.record(RunStarted(run="i1:1", job="j", due_ms=1))
