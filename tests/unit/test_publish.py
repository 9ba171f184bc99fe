"""Published results: small, whole, judged again from their events, and of one machine."""

import msgspec
import pytest
from report_stories import directory, paused_holder

from bench.errors import BadArguments, InvalidResults
from bench.publish import publish, size_mb
from bench.record import TrialRecord
from bench.report.contents import contents
from bench.results import Results
from strategies.model import Timing

PAUSED = TrialRecord(strategy="redis-lock", scenario="pause", instances=2, jobs=1)
VENDOR = TrialRecord(strategy="redis-lock", scenario="pause", timing=Timing("vendor", 2.0))


def published(tmp_path, *records: TrialRecord) -> Results:
    sources = [
        directory(tmp_path, (paused_holder(), record), name=f"{number}").path
        for number, record in enumerate(records)
    ]
    return publish(sources, tmp_path / "published")


def test_a_published_set_is_a_results_directory_without_logs(tmp_path):
    source = directory(tmp_path, (paused_holder(), PAUSED))
    logs = source.trial_path(PAUSED) / "logs"
    logs.mkdir()
    (logs / "i1.log").write_bytes(b"x" * 1_000_000)
    made = publish([source.path], tmp_path / "published")
    assert made.judgements() == source.judgements()
    assert list(made.judge_again()) == source.judgements()
    assert made.rows() == source.rows()
    assert (made.path / "matrix.csv").is_file()
    assert size_mb(made.path) < 0.1


def test_several_benches_become_one_with_the_settings_of_all(tmp_path):
    made = published(tmp_path, PAUSED, VENDOR)
    assert {row.timing for row in made.rows()} == {"equal", "vendor"}
    assert made.environment["sources"] == ["20260504-123000-0", "20260504-123000-1"]
    assert len(made.config["parts"]) == 2
    assert contents(made).planned == 2  # what two benches asked for alike counts once


def test_a_trial_of_two_benches_is_taken_from_the_last(tmp_path):
    again = msgspec.structs.replace(PAUSED, seed=2)
    assert [one.record.seed for one in published(tmp_path, PAUSED, again).judgements()] == [2]


def test_nothing_is_published_over_something_or_from_nothing(tmp_path):
    source = directory(tmp_path, (paused_holder(), PAUSED)).path
    publish([source], tmp_path / "published")
    with pytest.raises(BadArguments, match="is there already"):
        publish([source], tmp_path / "published")
    with pytest.raises(InvalidResults, match="nothing to publish"):
        publish([directory(tmp_path, name="empty").path], tmp_path / "other")


def test_two_machines_do_not_make_one_set(tmp_path):
    one, other = (
        directory(tmp_path, (paused_holder(), PAUSED), name=name).path for name in ("a", "b")
    )
    (other / "environment.json").write_text('{"version":1,"machine":{"cores":64}}')
    with pytest.raises(BadArguments, match="another machine"):
        publish([one, other], tmp_path / "published")
