"""Cells as evidence: found, cited with their interval, or named by the command that makes them."""

import msgspec
import pytest
from written_rows import crash, evidence, measured, steady

from bench.errors import InvalidResults
from bench.evidence import Evidence, Figure, bench_command, cell_words, read_evidence
from bench.matrix import to_json
from bench.record import Cell


def test_the_nearest_cell_is_that_of_the_closest_ratio_of_sizes():
    sizes = [(1, 10), (10, 100), (30, 10)]
    known = evidence(*(steady("quartz", instances=n, jobs=m) for n, m in sizes))
    assert known.nearest("quartz", instances=12, jobs=80).jobs == 100
    assert known.nearest("quartz", instances=2, jobs=10).instances == 1
    assert known.nearest("redis-lock") is None


def test_rows_without_figures_are_no_evidence():
    for status in ("invalid", "unknown", "not-run"):
        assert evidence(measured("quartz", status=status)).rows_of("quartz") == []
    assert evidence(measured("quartz", fires=None)).rows_of("quartz") == []


def test_a_figure_says_its_value_its_interval_and_its_cell():
    row = crash("quartz", 2.0)
    figure = evidence(row).figure(row, "failover_p50_s", "s")
    assert str(figure) == "2 (2 to 2.2) s"
    assert figure.cell == "quartz crash N=3 M=10 L=2s"
    assert evidence(row).figure(row, "recovery_p50_s") is None


def test_an_interval_that_the_row_lacks_comes_from_its_trials():
    class Trial:
        def __init__(self, ops):
            self.ops_per_fire = ops

    row = steady("quartz")
    cell = Cell("quartz", "steady", "equal", 2.0, 3, 10)
    known = Evidence([row], {cell: [Trial(9.0), Trial(11.0)]})
    assert (known.figure(row, "ops_per_fire").low, known.figure(row, "ops_per_fire").high) == (
        9,
        11,
    )


def test_a_value_without_spread_is_printed_alone():
    assert str(Figure(value=3.0, low=3.0, high=3.0, unit="s")) == "3 s"


def test_a_directory_without_results_names_the_command_that_makes_them(tmp_path):
    with pytest.raises(InvalidResults, match="coordbench bench makes one"):
        read_evidence([tmp_path])


def test_a_set_without_its_trials_is_read_from_its_matrix_and_the_first_set_counts(tmp_path):
    for name, ops in (("a", 1.0), ("b", 2.0)):
        folder = tmp_path / name
        (folder / "experiments").mkdir(parents=True)
        (folder / "config.json").write_text('{"version": 1}')
        (folder / "matrix.json").write_text(to_json([steady("quartz", ops_per_fire=ops)]))
        (folder / "experiments" / "split.json").write_text(
            msgspec.json.encode({"of": name}).decode()
        )
    known = read_evidence([tmp_path / "a", tmp_path / "b"])
    assert [row.ops_per_fire for row in known.rows] == [1.0]
    assert known.experiment("split") == {"of": "a"}
    assert known.experiment("drain") is None


def test_a_torn_experiment_is_named(tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "config.json").write_text('{"version": 1}')
    (tmp_path / "experiments" / "split.json").write_text("{")
    with pytest.raises(InvalidResults, match=r"split\.json"):
        read_evidence([tmp_path])


def test_the_command_for_a_cell_is_one_that_can_be_typed():
    assert bench_command("quartz", "crash", instances=10, timing="vendor") == (
        "coordbench bench --strategies quartz --scenarios crash -n 10 --timing vendor"
    )


def test_a_cell_at_the_vendors_timing_is_cited_so():
    assert cell_words(crash("quartz", 9.0, timing="vendor")).endswith("N=3 M=10 vendor")
