"""Result directories made from told histories, for tests of what reads them."""

from datetime import datetime
from pathlib import Path

from written_histories import Story, at

from bench.events import encode
from bench.record import TrialRecord
from bench.results import Results
from strategies.notes import Granted, Lost, Released

NOW = datetime(2026, 5, 4, 12, 30, 0)
CONFIG = {
    "profile": "quick",
    "strategies": ["redis-lock"],
    "scenarios": ["steady", "crash"],
    "trials": 1,
    "controls": False,
}
ENVIRONMENT = {"machine": {"cores": 2}, "python": "3.11.7"}


def directory(parent: Path, *trials: tuple[Story, TrialRecord], name: str = "quick") -> Results:
    """A results directory with these trials, judged and kept as a bench does."""
    results = Results.create(parent, name, now=NOW, config=CONFIG, environment=ENVIRONMENT)
    for number, (story, record) in enumerate(trials):
        keep(results, parent / f"events-{name}-{number}", story, record)
    return results


def keep(results: Results, folder: Path, story: Story, record: TrialRecord) -> None:
    folder.mkdir()
    (folder / "all.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in story.events))
    results.keep(record, folder)


def paused_holder(job: str = "report", first: str = "i1", second: str = "i2") -> Story:
    """i1 is paused in the middle of a run; i2 takes the fire over; i1 wakes and ends it too."""
    return (
        Story(until=30)
        .job(job)
        .due(10.0, 11.0, job=job)
        .add(Granted(t=at(9.99), instance=first, subject=job, fence=1))
        .run(10.0, 10.0, 13.1, instance=first, job=job)
        .fault(10.1, "pause", first, heal=13.0)
        .add(Granted(t=at(12.2), instance=second, subject=job, fence=2))
        .run(10.0, 12.2, 12.6, instance=second, job=job)
        .add(Released(t=at(12.7), instance=second, subject=job))
        .add(Lost(t=at(13.0), instance=first, subject=job, reason="not renewed"))
        .run(11.0, 13.2, 13.6, instance=second, job=job)
    )
