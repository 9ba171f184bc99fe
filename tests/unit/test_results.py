"""A results directory: complete at every moment, and read back as it was written."""

from datetime import datetime

import msgspec
import pytest
from written_histories import Story, ms

import bench.results
from bench.errors import BadArguments, InvalidResults
from bench.events import encode
from bench.evidence import read_evidence
from bench.matrix import NotRun
from bench.record import Cell, TrialRecord
from bench.results import Results, ResultsNotKept, load

NOW = datetime(2026, 5, 4, 12, 30, 0)
RECORD = TrialRecord(strategy="redis-lock", scenario="steady", instances=3, jobs=1)


@pytest.fixture
def results(tmp_path) -> Results:
    return Results.create(
        tmp_path, "quick", now=NOW, config={"seed": 7}, environment={"cpus": 2}
    )  # fmt: skip


@pytest.fixture
def events(tmp_path):
    """The event files of a trial: one instance was killed while it wrote a line."""
    folder = tmp_path / "events"
    folder.mkdir()
    story = Story().job().due(10.0, 11.0).run(10.0, 10.0, 10.4)
    (folder / "harness.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in story.events))
    (folder / "i2.jsonl").write_bytes(b'{"type":"run')
    return folder


def test_the_directory_is_named_by_time_and_latest_points_at_it(results, tmp_path):
    assert results.path.name == "20260504-123000-quick"
    assert (tmp_path / "latest").resolve() == results.path.resolve()
    assert results.config == {"version": 1, "seed": 7}
    assert results.environment == {"version": 1, "cpus": 2}


def test_a_place_where_no_directory_can_be_made_is_a_bad_argument(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadArguments, match=r"/file: no results directory .* choose another"):
        Results.create(tmp_path / "file", "quick", now=NOW, config={}, environment={})


def test_latest_follows_the_newest(results, tmp_path):
    newer = Results.create(
        tmp_path, "quick", now=NOW.replace(hour=13), config={}, environment={}
    )  # fmt: skip
    assert (tmp_path / "latest").resolve() == newer.path.resolve()


def test_a_kept_trial_has_its_history_verdict_figures_and_logs(results, events, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "i1.log").write_text("hello")
    judgement = results.keep(RECORD, events, logs)
    place = results.path / "trials/redis-lock/steady/equal-2s-n3-m1-k1"
    assert {path.name for path in place.iterdir()} == {
        "trial.json", "verdict.json", "metrics.json", "history.parquet", "logs",
    }  # fmt: skip
    assert (place / "logs/i1.log").read_text() == "hello"
    assert judgement.verdict.status == "broken"
    assert judgement.verdict.warnings == ["i2.jsonl: the last line was cut short and is left out"]
    assert results.judgements() == [judgement]


def test_a_trial_that_is_kept_again_replaces_the_first(results, events):
    results.keep(RECORD, events)
    results.keep(RECORD, events)
    assert len(results.judgements()) == 1
    assert [path.name for path in (results.path / "trials/redis-lock/steady").iterdir()] == [
        "equal-2s-n3-m1-k1"
    ]


def test_judging_again_gives_the_same_verdict(results, events):
    judgement = results.keep(RECORD, events)
    assert list(results.judge_again()) == [judgement]
    assert results.judgements() == [judgement]


def test_a_resumed_bench_learns_what_is_finished(results, events):
    results.keep(RECORD, events)
    assert set(Results.open(results.path).finished()) == {(RECORD.cell, 1)}


def test_half_a_trial_that_a_kill_left_is_not_seen_and_goes(results, events):
    results.keep(RECORD, events)
    half = results.path / "trials/redis-lock/steady/.half-x/trial"
    half.mkdir(parents=True)
    (half / "trial.json").write_text("{")
    assert len(Results.open(results.path).judgements()) == 1
    assert not half.exists()


def test_a_full_disk_is_one_clear_error_and_loses_nothing_kept_before(results, events, monkeypatch):
    results.keep(RECORD, events)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bench.results, "write_parquet", full)
    with pytest.raises(ResultsNotKept, match=r"No space left on device.*--resume") as error:
        results.keep(RECORD, events)
    assert str(error.value).endswith(str(results.path))
    assert len(results.judgements()) == 1


def test_the_matrix_is_written_in_three_forms_with_what_was_not_run(results, events):
    results.keep(RECORD, events)
    cell = Cell("zookeeper-election", "steady", "equal", 2.0, 3, 1)
    results.keep_not_run([NotRun(cell, "no Java on PATH")])
    matrix = results.write_matrix()
    assert [row.status for row in matrix] == ["broken", "not-run"]
    assert (results.path / "matrix.csv").read_text().count("\n") == 3
    assert "no Java on PATH" in (results.path / "matrix.md").read_text()
    assert (results.path / "matrix.json").exists()


def test_a_directory_of_another_version_is_refused(results):
    (results.path / "config.json").write_text('{"version": 99}')
    with pytest.raises(InvalidResults, match="results format 99, this coordbench reads 1"):
        Results.open(results.path)


def test_a_directory_that_is_none_is_refused(tmp_path):
    with pytest.raises(InvalidResults, match="not a results directory"):
        Results.open(tmp_path)


def test_a_torn_trial_is_left_out_and_said_once_wherever_results_are_read(results, events, caplog):
    torn = msgspec.structs.replace(RECORD, strategy="quartz")
    for record in (RECORD, torn):
        results.keep(record, events)
    (results.trial_path(torn) / "verdict.json").write_text("{")
    loaded = load(results.path)
    assert [row.strategy for row in results.rows()] == [RECORD.strategy]
    assert loaded.matrix["strategy"].tolist() == [RECORD.strategy]
    assert loaded.runs["strategy"].unique().tolist() == [RECORD.strategy]
    caplog.clear()
    known = read_evidence([results.path])
    assert [row.strategy for row in known.rows] == [RECORD.strategy]
    (said,) = caplog.messages
    assert said.startswith("could not be read and is left out")
    assert "verdict.json" in said


def test_a_bench_that_goes_on_does_a_torn_trial_again(results, events):
    results.keep(RECORD, events)
    (results.trial_path(RECORD) / "verdict.json").write_text("{")
    assert results.finished() == {}


def test_a_loaded_directory_gives_data_frames(results, tmp_path):
    folder = tmp_path / "crash"
    folder.mkdir()
    story = Story().job().due(10.0).run(10.0, 10.0).fault(10.2, target="one").died(10.3)
    story.run(10.0, 12.4, 12.8, instance="i2")
    (folder / "all.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in story.events))
    results.keep(RECORD, folder)
    loaded = load(results.path)
    assert loaded.matrix["recovered_fires"].tolist() == [1]
    assert loaded.runs["due_ms"].tolist() == [ms(10.0)] * 2
    assert loaded.runs["outcome"].tolist() == ["recovered"] * 2
    assert loaded.runs["status"].tolist() == ["", "succeeded"]
    assert loaded.faults["failover_s"].tolist() == [pytest.approx(2.2)]


def test_an_empty_directory_gives_empty_data_frames(results):
    loaded = load(results.path)
    assert (len(loaded.matrix), len(loaded.runs), len(loaded.faults)) == (0, 0, 0)
