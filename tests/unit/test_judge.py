"""From a file to a verdict, and what a person reads of it."""

from pathlib import Path

import pytest
from written_histories import Story

import bench.judge
from bench.errors import Exit, InvalidResults
from bench.events import encode
from bench.history import to_table
from bench.judge import judge, judge_file, judge_path, summary
from bench.record import TrialRecord
from strategies.interface import ANYTHING, Bounds

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
RECORD = TrialRecord(strategy="story", scenario="steady")


def test_the_healthy_sample_keeps_every_promise():
    judgement = judge_file(SAMPLES / "healthy.jsonl")
    assert judgement.exit_code == Exit.KEPT
    assert summary(judgement) == [
        "healthy: OK",
        "  9 fires, 8 runs: 6 on-time, 1 recovered, 2 skipped",
        "  kill of node-a: failover 2.10 s, recovery 2.10 s",
    ]


def test_the_duplicate_sample_breaks_a_promise_and_names_its_fires():
    judgement = judge_file(SAMPLES / "duplicate.jsonl")
    assert judgement.exit_code == Exit.BROKEN
    words = "\n".join(summary(judgement))
    assert "no duplicates: 2 (report@1800000002000, report@1800000004000)" in words
    assert "no overlaps: 1 (report@1800000002000)" in words


def test_the_missed_sample_breaks_a_promise_also_by_a_skip_without_a_reason():
    judgement = judge_file(SAMPLES / "missed.jsonl")
    assert [(broken.promise, broken.count) for broken in judgement.verdict.broken] == [
        ("none missed", 2)
    ]


def test_what_the_design_allows_is_no_broken_promise_but_is_listed_all_the_same():
    record = TrialRecord(strategy="story", scenario="steady", allowed=ANYTHING)
    judgement = judge(to_table(Story().job().due(10.0).events), record)
    assert judgement.verdict.status == "ok"
    assert judgement.verdict.fires == {"missed": ["report@1800000010000"]}


def test_a_trial_in_which_something_broke_or_that_is_invalid_has_no_figures_of_time_and_cost():
    story = killed_holder(20).run(12.0, 14.0, 14.4, instance="i2")
    broken = judge(to_table(story.events), crash_record())
    assert broken.metrics.trigger_latency_ms.p50 is None
    calm = Story().job().due(10.0).run(10.0, 10.02, 10.4)
    assert judge(to_table(calm.events), RECORD).metrics.trigger_latency_ms.p50 is not None
    invalid = TrialRecord(strategy="story", scenario="steady", problems=("the ledger died",))
    assert judge(to_table(calm.events), invalid).metrics.trigger_latency_ms.p50 is None


@pytest.mark.parametrize(
    ("family", "fence_scope", "stale", "foreign"),
    [("lock", "job", 0, 0), ("lock", None, None, 0), ("queue", "fire", 0, None), ("", None, 0, 0)],
)
def test_what_cannot_happen_to_a_design_has_no_count(family, fence_scope, stale, foreign):
    record = TrialRecord(
        strategy="story", scenario="steady", family=family, fence_scope=fence_scope
    )
    metrics = judge(to_table(Story().job().due(10.0).run(10.0, 10.0, 10.4).events), record).metrics
    assert (metrics.stale_effects, metrics.foreign_releases) == (stale, foreign)


def test_what_is_wrong_with_a_history_is_said_with_its_file(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InvalidResults, match=r"/empty\.jsonl: 0 header lines, expected one"):
        judge_file(tmp_path / "empty.jsonl")


def test_an_invalid_trial_is_invalid_whatever_else_it_shows():
    record = TrialRecord(strategy="story", scenario="steady", problems=("the ledger died",))
    judgement = judge(to_table(Story().job().due(10.0).events), record)
    assert judgement.verdict.status == "invalid"
    assert judgement.verdict.reasons == ["the ledger died"]
    assert judgement.exit_code == Exit.INVALID


def test_a_failover_beyond_the_bound_breaks_a_promise():
    story = Story().job().due(10.0, 11.0).run(10.0, 10.0)
    story.fault(10.2, target="holder", run="i1:1", job="report")
    story.run(10.0, 14.0, 14.4, instance="i2").run(11.0, 14.4, 14.8, instance="i2")
    record = TrialRecord(strategy="s", scenario="crash", stress="crash", bounds=Bounds(2.1, 3.0))
    judgement = judge(to_table(story.events), record)
    assert {broken.promise for broken in judgement.verdict.broken} == {
        "failover in time", "recovery in time",
    }  # fmt: skip


def killed_holder(last_due, other="i2"):
    """i1 is killed in a run at 10.2 and nothing runs any more; fires go on until `last_due`."""
    story = Story(until=30.0).job().due(*range(10, last_due + 1)).run(10.0, 10.0)
    return story.ready("i1", other).fault(10.2, target="holder", run="i1:1", job="report")


def crash_record(**more):
    return TrialRecord(
        strategy="s", scenario="crash", stress="crash", allowed=ANYTHING,
        bounds=Bounds(2.1, 3.0), **more,
    )  # fmt: skip


def in_time(judgement):
    return {broken.promise for broken in judgement.verdict.broken}


def test_nobody_taking_over_breaks_a_promise():
    judgement = judge(to_table(killed_holder(20).events), crash_record())
    assert in_time(judgement) == {"failover in time", "recovery in time"}


def test_nobody_is_blamed_where_there_was_no_time_or_nobody_left():
    early = killed_holder(12).phases(done=12.5)
    assert in_time(judge(to_table(early.events), crash_record())) == set()
    alone = killed_holder(20, other="i1")
    assert in_time(judge(to_table(alone.events), crash_record())) == set()


def test_a_control_may_leave_what_it_had_to_nobody():
    judgement = judge(to_table(killed_holder(20).events), crash_record(kind="control"))
    assert in_time(judgement) == set()


def test_the_history_of_another_scheduler_is_not_judged_by_lateness(tmp_path):
    path = tmp_path / "late.jsonl"
    late = Story().job().due(10.0).run(10.0, 11.0, 11.1)
    path.write_bytes(b"\n".join(encode(event) for event in late.events))
    assert judge_file(path).verdict.status == "ok"


def test_a_check_that_crashes_makes_the_verdict_unknown(monkeypatch):
    def crash(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(bench.judge, "judge_fires", crash)
    judgement = judge(to_table(Story().job().due(10.0).events), RECORD)
    assert judgement.verdict.status == "unknown"
    assert judgement.exit_code == Exit.INVALID
    assert summary(judgement) == [
        "story: UNKNOWN", "  a check crashed: ZeroDivisionError: oh",
    ]  # fmt: skip


def test_a_history_that_contradicts_itself_is_an_error_and_no_verdict():
    with pytest.raises(InvalidResults, match="never declared"):
        judge(to_table(Story().due(10.0).events), RECORD)


def test_a_path_that_holds_no_history_is_an_error(tmp_path):
    with pytest.raises(InvalidResults, match="neither"):
        judge_path(tmp_path)
