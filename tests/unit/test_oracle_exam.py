"""The exam: what is run, what counts as found, and what its page says."""

from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from bench.checks.promises import Broken
from bench.errors import BadArguments, Exit
from bench.judge import Judgement, Verdict
from bench.oracle.command import run_oracle
from bench.oracle.exam import HEALTHY, MUTANTS, SIZE, TRIALS, Exam, Finding
from bench.oracle.page import END, MADE, put_into, tables, verdict
from bench.results import Results
from bench.settings import Settings, plan

FIRST = MUTANTS[0]
SETTINGS = Settings(profile="oracle", trials=HEALTHY, controls=False)
FIRE = "job-0001@1800000001234"


class Kept(Results):
    """Results whose trials are told instead of measured."""

    def __init__(self, path: Path, judgements: list[Judgement]) -> None:
        super().__init__(path)
        self._judgements = judgements

    def judgements(self) -> list[Judgement]:
        return self._judgements


def trial(strategy: str, scenario: str, k: int, status: str, *promises: str) -> Judgement:
    record = plan(SETTINGS, strategy, scenario, SIZE, k).record(started="2026-11-21T10:00:00")
    broken = [Broken(promise, 1, [FIRE]) for promise in promises]
    return Judgement(record, Verdict(status=status, broken=broken), None)


def exam(path: Path, *kept: Judgement, healthy: int = 0) -> Exam:
    made = Results.create(
        path,
        "oracle",
        now=datetime(2026, 11, 21),
        config=msgspec.to_builtins(SETTINGS),
        environment={"machine": {"cores": 2, "processor": "some"}},
    )
    return Exam(Kept(made.path, list(kept)), SETTINGS, [FIRST], healthy)


def of_the_mutant(k: int, status: str, *promises: str) -> Judgement:
    return trial(FIRST.address, FIRST.scenario, k, status, *promises)


def test_a_mutant_is_found_by_the_promise_that_it_must_break(tmp_path: Path) -> None:
    [found] = exam(tmp_path, of_the_mutant(1, "broken", "no overlaps", FIRST.breaks)).findings()
    assert found.found
    assert found.broken == [FIRST.breaks, "no overlaps"]
    assert found.fires == [FIRE]


@pytest.mark.parametrize(
    "kept",
    [
        [],
        [of_the_mutant(1, "ok")],
        [of_the_mutant(1, "broken", "no overlaps")],
        [of_the_mutant(1, "invalid", FIRST.breaks)],
    ],
    ids=["no trial", "nothing broken", "another promise", "an invalid trial"],
)
def test_it_is_not_found_by_anything_else(tmp_path: Path, kept: list[Judgement]) -> None:
    asked = exam(tmp_path, *kept)
    assert not asked.findings()[0].found
    code, lines = verdict(asked)
    assert code in (Exit.BROKEN, Exit.INVALID)
    assert any(FIRST.name in line for line in lines)


def test_an_accusation_of_a_healthy_strategy_fails_the_exam(tmp_path: Path) -> None:
    accused = trial(FIRST.of, "steady", 1, "broken", "none missed")
    asked = exam(tmp_path, of_the_mutant(1, "broken", FIRST.breaks), accused, healthy=1)
    code, lines = verdict(asked)
    assert code == Exit.BROKEN
    assert f"false alarm: {FIRST.of} steady #1: none missed ({FIRE})" in lines


def test_an_exam_without_its_healthy_trials_proves_nothing(tmp_path: Path) -> None:
    asked = exam(tmp_path, of_the_mutant(1, "broken", FIRST.breaks), healthy=1)
    code, lines = verdict(asked)
    assert code == Exit.INVALID
    assert "healthy trials: 0 of 1 are valid" in lines


def test_an_exam_that_found_all_and_accused_nobody_is_passed(tmp_path: Path) -> None:
    healthy = trial(FIRST.of, "steady", 1, "ok")
    asked = exam(tmp_path, of_the_mutant(2, "broken", FIRST.breaks), healthy, healthy=1)
    assert verdict(asked)[0] == Exit.KEPT
    text = tables(asked)
    assert f"| `{FIRST.name}` | `{FIRST.of}` |" in text
    assert "2026-11-21, 2 cores (some): N = 3, M = 10" in text
    assert "| all | | 1 | 0 | 0 |" in text


def test_healthy_trials_go_where_the_mutants_go_and_in_health(tmp_path: Path) -> None:
    plans = exam(tmp_path, healthy=HEALTHY)._without_bugs()
    cells = [(one.design.name, one.scenario.name) for one in plans]
    assert len({(*cell, one.k) for cell, one in zip(cells, plans, strict=True)}) == HEALTHY
    assert {(one.of, one.scenario) for one in MUTANTS} <= set(cells)
    assert {(one.of, "steady") for one in MUTANTS} <= set(cells)


def test_every_mutant_can_be_planned_here_and_named_in_a_command(tmp_path: Path) -> None:
    asked = exam(tmp_path)
    for mutant in MUTANTS:
        one = asked._mutated(mutant, 1)
        assert one.why_not is None
        assert f"coordbench trial {mutant.address} {mutant.scenario} " in one.command
    assert TRIALS == 2


def test_a_finding_without_trials_is_told_without_them() -> None:
    assert Finding(FIRST, []).broken == []
    assert not Finding(FIRST, []).found


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n<!-- made by: {MADE} -->\nold\n{END}\nafter\n")
    put_into(page, "new\n")
    assert page.read_text() == f"before\n<!-- made by: {MADE} -->\nnew\n{END}\nafter\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("mine\n")
    with pytest.raises(BadArguments, match="expected the lines"):
        put_into(page, "new\n")
    assert page.read_text() == "mine\n"


def test_an_unknown_mutant_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BadArguments, match="unknown mutant 'renew-droped': did you mean renew-d"):
        run_oracle(["renew-droped"], 0, tmp_path, None, None)
    with pytest.raises(BadArguments, match="--healthy is -1: expected 0 or more"):
        run_oracle([], -1, tmp_path, None, None)
    assert not list(tmp_path.iterdir())
