"""Reading and writing histories: nothing is lost, and what cannot be read is said clearly."""

import pytest
from written_histories import BEGIN, Story, at

from bench.checks.reading import columns
from bench.errors import InvalidResults
from bench.events import Counters, Died, Due, RunEnded, encode
from bench.history import (
    SCHEMA,
    merge,
    read_history,
    read_lines,
    read_parquet,
    to_table,
    write_parquet,
)
from strategies.notes import Coordinated, Granted, Lost


def full_story() -> Story:
    story = Story(instances=1).job().due(10.0).run(10.0, 10.0, 10.4).skip(10.0, 10.1, "overlap")
    story.effect(10.0, 10.4, stale=True).fault(12.0, "pause", heal=15.0).ready("i1").died(30.0)
    story.phases(idle=0.0, load=1.0).probe(0.001)
    return story.add(
        Counters(t=at(2), instance="i1", counts={"cpu_s_total": 1.5}),
        Coordinated(t=at(9), instance="i1", action="acquire", seconds=0.01, outcome="won"),
        Granted(t=at(9), instance="i1", subject="report", fence=7),
        Lost(t=at(11), instance="i1", subject="report", reason="refused"),
    )


def written(path, events, tail: bytes = b""):
    path.write_bytes(b"".join(encode(event) + b"\n" for event in events) + tail)
    return path


def test_a_table_has_one_row_per_event_in_order_of_time():
    table = to_table(full_story().events)
    assert table.schema == SCHEMA
    assert table.num_rows == len(full_story().events)
    assert table["t"].to_pylist() == sorted(table["t"].to_pylist())


def test_events_of_one_moment_keep_their_order():
    events = [Died(t=BEGIN, instance=f"i{number}") for number in range(20)]
    events.insert(10, Due(t=BEGIN, job="a", due_ms=1))
    assert to_table(events)["type"].to_pylist().index("due") == 10


def test_parquet_gives_back_the_same_columns(tmp_path):
    table = to_table(full_story().events)
    write_parquet(table, tmp_path / "history.parquet")
    assert read_parquet(tmp_path / "history.parquet").equals(table)


def test_json_lines_give_back_the_same_table(tmp_path):
    events = full_story().events
    assert read_history(written(tmp_path / "h.jsonl", events)).equals(to_table(events))


def test_the_files_of_a_trial_are_merged_in_order_of_time(tmp_path):
    story = full_story()
    written(tmp_path / "a.jsonl", story.events[::2])
    written(tmp_path / "b.jsonl", story.events[1::2])
    table, warnings = merge(tmp_path)
    assert warnings == []
    assert sorted(table["t"].to_pylist()) == table["t"].to_pylist()
    assert table.num_rows == len(story.events)


def test_the_cut_last_line_of_a_trial_s_file_is_left_out_with_a_warning(tmp_path):
    written(tmp_path / "i1.jsonl", full_story().events, tail=b'{"type":"run-sta')
    table, warnings = merge(tmp_path)
    assert table.num_rows == len(full_story().events)
    assert warnings == ["i1.jsonl: the last line was cut short and is left out"]


def test_a_whole_last_line_needs_no_newline(tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_bytes(encode(full_story().events[0]))
    assert len(read_lines(path)[0]) == 1


@pytest.mark.parametrize("garbage", [b"{", b"nonsense", b"\xff\xfe", b'{"type":"no-such"}', b"[]"])
def test_a_garbled_line_is_an_error_that_names_file_and_line(tmp_path, garbage):
    path = tmp_path / "h.jsonl"
    path.write_bytes(encode(full_story().events[0]) + b"\n" + garbage + b"\n")
    with pytest.raises(InvalidResults, match=r"h\.jsonl:2: not a line of a history"):
        read_lines(path, may_be_cut=True)


def test_a_cut_last_line_of_somebody_else_s_file_is_an_error(tmp_path):
    path = written(tmp_path / "h.jsonl", full_story().events, tail=b'{"type":"due"')
    with pytest.raises(InvalidResults, match="not a line of a history"):
        read_history(path)


def test_another_format_version_is_an_error_that_names_both(tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_bytes(b'{"type":"history","version":9,"until_s":1.0}\n')
    with pytest.raises(InvalidResults, match="history format 9, this coordbench reads 1"):
        read_history(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InvalidResults, match="No such file"):
        read_history(tmp_path / "none.jsonl")


def test_a_trial_without_any_event_is_an_error(tmp_path):
    with pytest.raises(InvalidResults, match="no event"):
        merge(tmp_path)


def test_a_file_that_is_no_parquet_is_an_error(tmp_path):
    (tmp_path / "history.parquet").write_text("no")
    with pytest.raises(InvalidResults, match="history"):
        read_parquet(tmp_path / "history.parquet")


class TestColumnsRefuse:
    def refused(self, events, words):
        with pytest.raises(InvalidResults, match=words):
            columns(to_table(events))

    def test_a_history_without_a_header(self):
        self.refused(Story().job().due(1.0).events[1:], "0 header lines")

    def test_two_headers(self):
        self.refused(Story().events * 2, "2 header lines")

    def test_a_fire_of_an_undeclared_job(self):
        self.refused(Story().due(1.0).events, "'report', never declared")

    def test_a_job_declared_twice(self):
        self.refused(Story().job().job().events, "declared twice")

    def test_a_run_that_ended_but_never_started(self):
        story = Story().job().add(RunEnded(t=at(1), run="r", status="failed"))
        self.refused(story.events, "'r' ended but never started")

    def test_a_run_that_ended_twice(self):
        story = Story().job().due(1.0).run(1.0, 1.0, 1.4)
        self.refused([*story.events, story.events[-1]], "ended twice")

    def test_two_runs_of_one_name(self):
        story = Story().job().due(1.0).run(1.0, 1.0)
        self.refused([*story.events, story.events[-1]], "two runs are called")

    def test_a_run_that_ended_before_it_started(self):
        self.refused(Story().job().due(1.0).run(1.0, 2.0, 1.5).events, "before it started")


def test_columns_hold_what_the_events_say():
    read = columns(to_table(full_story().events))
    assert read.jobs.names == ("report",)
    assert read.header.instances == 1
    assert (read.calls.actions, read.calls.won.tolist()) == (("acquire",), [True])
    assert read.ownership.what.tolist() == [0, 2]
    assert read.faults[0].heal_s == at(15.0)
    assert read.phase_s("load") == at(1.0)
    assert read.counters[0].counts == {"cpu_s_total": 1.5}
    assert read.effects.stale.tolist() == [True]
