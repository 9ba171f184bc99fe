"""Two result sets side by side: promises that stopped holding, and differences that are real."""

import msgspec
import pytest
from report_stories import directory, keep, paused_holder
from written_histories import Story

from bench.compare import Figure, Side, compare
from bench.errors import InvalidResults
from bench.record import TrialRecord
from strategies.interface import Allowed

RECORD = TrialRecord(strategy="redis-lock", scenario="pause", jobs=1)
LENIENT = TrialRecord(
    strategy="redis-lock", scenario="pause", jobs=1, allowed=Allowed(duplicates=True, overlaps=True)
)  # fmt: skip


def healthy(delay_s: float = 0.0) -> Story:
    story = Story().job().due(*range(10, 30))
    for due in range(10, 30):
        story.run(due, due + delay_s, due + delay_s + 0.1)
    return story


def compared(tmp_path, a, b):
    one, other = directory(tmp_path, *a, name="a"), directory(tmp_path, *b, name="b")
    code, lines = compare(one.path, other.path)
    return code, "\n".join(lines)


def test_the_same_twice_is_no_difference(tmp_path):
    code, said = compared(tmp_path, [(healthy(), RECORD)], [(healthy(), RECORD)])
    assert code == 0
    assert "every promise that held in A holds in B (1 cells compared)" in said
    assert "higher" not in said
    assert "no difference shown" in said


def test_all_is_said_in_80_columns_and_the_sides_stay_apart(tmp_path):
    others = [
        (healthy(), TrialRecord(strategy="zookeeper-election", scenario="pause", jobs=jobs))
        for jobs in (1, 20, 300)
    ]
    sets = [(healthy(), RECORD)], [(paused_holder(), RECORD), *others]
    _, said = compared(tmp_path, *sets)
    told = [line for line in said.splitlines() if str(tmp_path) not in line]  # one long word
    assert max(map(len, told)) <= 80
    assert " B broken" in said
    assert "N=0 M=300" in " ".join(said.split())


def test_a_setting_that_a_set_made_of_parts_lacks_is_not_called_a_difference(tmp_path):
    sets = [directory(tmp_path, (healthy(), RECORD), name=name) for name in "ab"]
    for made, config in zip(sets, ({"period_s": 1.0, "seed": 1}, {"seed": 2}), strict=True):
        whole = msgspec.json.encode({**made.config, "period_s": None} | config)
        (made.path / "config.json").write_bytes(whole)
    said = "\n".join(compare(sets[0].path, sets[1].path)[1])
    assert "period_s" not in said
    assert "seed: A 1, B 2" in said


def test_a_promise_that_no_longer_holds_is_exit_code_1(tmp_path):
    code, said = compared(tmp_path, [(healthy(), RECORD)], [(paused_holder(), RECORD)])
    assert code == 1
    assert '"no duplicates" held in A, is broken in B' in said


def test_a_promise_that_was_broken_before_is_not_held_against_b(tmp_path):
    code, said = compared(tmp_path, [(paused_holder(), RECORD)], [(paused_holder(), RECORD)])
    assert code == 0
    assert "broken" in said


def test_a_promise_that_holds_again_is_told(tmp_path):
    code, said = compared(tmp_path, [(paused_holder(), RECORD)], [(healthy(), RECORD)])
    assert code == 0
    assert '"no duplicates" was broken in A, holds in B' in said


def test_giving_a_promise_up_does_not_hide_that_it_held(tmp_path):
    code, said = compared(tmp_path, [(healthy(), RECORD)], [(paused_holder(), LENIENT)])
    assert code == 1
    assert '"no duplicates" held in A, is given up in B' in said


def test_a_cell_that_can_no_longer_be_judged_is_exit_code_2(tmp_path):
    invalid = TrialRecord(strategy="redis-lock", scenario="pause", jobs=1, problems=("broke",))
    code, said = compared(tmp_path, [(healthy(), RECORD)], [(healthy(), invalid)])
    assert code == 2
    assert "cannot in B" in said


def test_a_cell_that_only_one_side_has_is_named(tmp_path):
    other = TrialRecord(strategy="quartz", scenario="steady", jobs=1)
    code, said = compared(
        tmp_path, [(healthy(), RECORD), (healthy(), other)], [(healthy(), RECORD)]
    )
    assert code == 0
    assert "only in A: quartz, steady" in said


def test_nothing_in_common_is_refused(tmp_path):
    other = TrialRecord(strategy="quartz", scenario="steady", jobs=1)
    with pytest.raises(InvalidResults, match="no cell in common"):
        compared(tmp_path, [(healthy(), RECORD)], [(healthy(), other)])


def test_a_missing_directory_says_which_command_makes_it(tmp_path):
    with pytest.raises(InvalidResults, match="coordbench bench makes one"):
        compare(tmp_path / "a", tmp_path / "b")


def test_times_of_single_trials_are_never_called_different(tmp_path):
    code, said = compared(tmp_path, [(healthy(), RECORD)], [(healthy(0.3), RECORD)])
    latency = next(line for line in said.splitlines() if "latency" in line)
    assert code == 0
    assert latency.endswith("too few to tell")


def test_times_of_five_trials_that_lie_apart_are(tmp_path):
    sets = []
    for name, delay_s in (("a", 0.0), ("b", 0.3)):
        results = directory(tmp_path, name=name)
        for k in range(1, 6):
            record = TrialRecord(strategy="redis-lock", scenario="pause", jobs=1, k=k)
            keep(results, tmp_path / f"{name}-{k}", healthy(delay_s + k / 1000), record)
        sets.append(results.path)
    _, lines = compare(*sets)
    assert next(line for line in lines if "latency" in line).endswith("higher")


@pytest.mark.parametrize(
    ("a", "b", "called"),
    [
        (Side(0.0, (0.0, 0.05), 80), Side(0.5, (0.4, 0.6), 80), "higher"),
        (Side(0.5, (0.4, 0.6), 80), Side(0.0, (0.0, 0.05), 80), "lower"),
        (Side(0.0, (0.0, 0.05), 80), Side(0.1, (0.05, 0.2), 80), "no difference shown"),
    ],
)
def test_a_difference_needs_intervals_that_do_not_touch(a, b, called):
    assert Figure("duplicate rate", "%", a, b).called == called
