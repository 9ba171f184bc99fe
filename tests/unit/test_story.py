"""What a trial's story tells: the loss of a node in its steps, until its run has run again."""

from pathlib import Path

from written_histories import Story, at, ms

from bench.events import Platform
from bench.history import to_table, write_parquet
from bench.story import tell


def lost_node(tmp_path: Path) -> Path:
    """Node i1 dies in the middle of a run at 61, which runs again on i2 from 73 to 76."""
    story = Story(until=120.0, instances=2).job(period_s=60.0).due(60.0)
    story.run(60.0, 60.1).fault(61.0, target="holder", run="i1:1", job="report").died(61.02)
    story.run(60.0, 73.0, 76.0, instance="i2")
    steps = [
        (63.0, "node-not-ready", "i1", "i1", ""),
        (63.1, "pod-deleted", "report-1-a", "i1", "report"),
        (72.9, "pod-created", "report-1-b", "", "report"),
        (72.95, "pod-bound", "report-1-b", "i2", "report"),
        (72.9, "pod-created", "other-1-b", "", "other"),
    ]
    for t, what, subject, node, job in steps:
        due_ms = ms(60.0) if job else None
        event = Platform(what=what, subject=subject, job=job, due_ms=due_ms)
        event.t, event.instance = at(t), node
        story.job("other", 60.0) if job == "other" else None
        story.add(event)
    path = tmp_path / "history.parquet"
    write_parquet(to_table(story.events), path)
    return path


def steps_of(lines: list[str]) -> list[str]:
    return [line.split("  ")[-1].strip().partition(":")[0] for line in lines[1:]]


def test_a_lost_node_is_told_step_by_step_until_its_run_has_run_again(tmp_path: Path) -> None:
    lines = list(tell(lost_node(tmp_path)))
    assert lines[0] == "kill of i1, job report; seconds since then"
    assert steps_of(lines) == [
        "run started", "fault began", "died", "node not ready", "pod deleted", "pod created",
        "run started", "run ended",
    ]  # fmt: skip
    assert lines[2].startswith("  +0.000  i1")
    assert " +12.000  i2" in lines[7]


def test_details_add_the_platforms_other_steps_but_not_those_of_other_jobs(tmp_path: Path) -> None:
    brief, whole = (list(tell(lost_node(tmp_path), details=more)) for more in (False, True))
    assert [line for line in whole if line not in brief] == [
        line for line in whole if "pod bound" in line
    ]
    assert not any("other" in line for line in whole)
