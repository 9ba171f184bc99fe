"""The matrix in a terminal: rows that can be told apart, on lines of 80 columns."""

import io

import pytest
from report_stories import directory, paused_holder
from rich.console import Console
from written_rows import crash, measured, steady

from bench.commands import print_matrix
from bench.errors import Exit
from bench.matrix import Row, to_markdown, verdict
from bench.record import TrialRecord
from bench.terminal import fitted, print_rows


def printed(*matrix: Row) -> list[str]:
    out = io.StringIO()
    print_rows(Console(file=out, highlight=False, width=80), matrix)
    return out.getvalue().splitlines()


def labels(lines: list[str]) -> list[str]:
    """What stands left of the figures, of every line above the first legend."""
    return [line[:19].strip() for line in lines[1 : lines.index("broke.") - 3]]


def saturated(**more) -> Row:
    note = "the machine was saturated: 96% of its cores' time was taken under load"
    return measured("postgres-lock", status="invalid", fires=None, note=note, **more)


def test_where_nothing_is_ambiguous_a_label_is_scenario_and_size():
    lines = printed(crash("quartz", 2.1), measured("quartz"))
    assert lines[:4] == [
        "                     status fires  dup over miss intr stale  failover  recovery",
        "quartz",
        "  crash     3x10         ok   160    0    -    0    0     -   2.1/2.3         -",
        "  steady    3x10         ok   160    0    -    0    0     -         -         -",
    ]


def test_rows_of_the_same_size_are_told_apart_by_their_timing():
    lines = printed(crash("quartz", 2.1), crash("quartz", 9.8, timing="vendor"), measured("quartz"))
    assert labels(lines) == [
        "quartz", "crash, equal", "3x10", "crash, vendor", "3x10", "steady    3x10"
    ]  # fmt: skip


def test_rows_of_the_same_timing_are_told_apart_by_their_lease():
    rows = [crash("quartz", lease, lease_s=lease) for lease in (2.0, 5.0)]
    assert labels(printed(*rows))[1:] == ["crash, equal 2 s", "3x10", "crash, equal 5 s", "3x10"]


def test_another_strategy_of_another_timing_makes_nothing_ambiguous():
    lines = printed(crash("quartz", 2.1), crash("redis-lock", 29.8, timing="vendor"))
    assert labels(lines) == ["quartz", "crash     3x10", "redis-lock", "crash     3x10"]


def test_the_costs_are_told_apart_as_the_failures_are():
    lines = printed(steady("quartz"), steady("quartz", timing="vendor"))
    costs = lines[lines.index("broke.") + 2 :]
    assert [line for line in costs if line.startswith("  steady")] == [
        "  steady, equal", "  steady, vendor"
    ]  # fmt: skip


@pytest.mark.parametrize("scenario", ["slow-network", "service-outage", "connection-exhaustion"])
@pytest.mark.parametrize("size", [{}, {"instances": 30, "jobs": 1000}])
def test_a_long_label_leaves_every_figure_in_its_column_of_80(scenario: str, size):
    lines = printed(
        crash("quartz", 2.1), measured("quartz", scenario, **size), saturated(**size), saturated()
    )
    assert max(map(len, lines)) <= 80
    head, *rows = lines[: lines.index("broke.") - 3]
    ends = [head.index(word) + len(word) for word in ("status", "fires", "recovery")]
    for line in rows:
        if len(line) > 40:
            assert all(line[end - 1] != " " for end in ends), line
            assert all(line[end : end + 1] in ("", " ") for end in ends), line


def test_a_reason_names_its_row_and_goes_on_under_an_indent():
    lines = printed(saturated(instances=10, jobs=100), saturated(instances=30, jobs=100))
    reasons = lines[lines.index("broke.") + 2 :]
    assert [line[:31] for line in reasons] == [
        "postgres-lock steady 10x100: th", "    was taken under load",
        "postgres-lock steady 30x100: th", "    was taken under load",
    ]  # fmt: skip


def test_no_word_of_a_reason_is_lost():
    row = saturated()
    reason = " ".join(" ".join(printed(row)).split())
    assert f"postgres-lock steady: {row.note}" in reason


def test_the_lines_of_a_verdict_fit_and_are_no_two_the_same():
    rows = [saturated(), saturated(timing="vendor"), saturated(timing="vendor", lease_s=5.0)]
    code, lines = verdict(rows)
    assert code == Exit.INVALID
    assert len(set(lines)) == 3
    assert "N=3 M=10 vendor 5 s: invalid" in lines[2]
    wrapped = fitted(lines)
    assert max(map(len, wrapped)) <= 80
    starts = [line for line in wrapped if not line.startswith("    ")]
    assert [line[:22] for line in starts] == ["postgres-lock steady N"] * 3


def test_matrix_md_tells_leases_and_reasons_apart_too():
    leases = to_markdown([crash("quartz", lease, lease_s=lease) for lease in (2.0, 5.0)])
    assert "| quartz | crash | equal 2 s | 3 |" in leases
    assert "| quartz | crash | equal 5 s | 3 |" in leases
    profiles = to_markdown([crash("quartz", 2.1), crash("quartz", 9.8, timing="vendor")])
    assert "| quartz | crash | equal | 3 |" in profiles
    sizes = to_markdown([saturated(), saturated(instances=30, jobs=100)])
    assert "- postgres-lock, steady, 3x10: the machine" in sizes
    assert "- postgres-lock, steady, 30x100: the machine" in sizes
    assert "- postgres-lock, steady: the machine" in to_markdown([saturated()])


@pytest.mark.parametrize("form", ["table", "md", "csv", "json"])
def test_to_show_a_matrix_in_which_a_promise_was_broken_is_no_failure(tmp_path, capsys, form: str):
    record = TrialRecord(strategy="redis-lock", scenario="pause", jobs=1)
    assert print_matrix(directory(tmp_path, (paused_holder(), record)).path, form) == Exit.KEPT
    assert "broken" in capsys.readouterr().out
