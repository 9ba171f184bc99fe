"""The quick bench itself, with one trial per cell: what `make bench` must show."""

import csv
import json
from pathlib import Path

import pytest
from shell import Shell

from bench.matrix import COLUMNS
from bench.settings import QUICK_STRATEGIES, cells, check_settings, profile
from strategies.catalogue import designs

pytestmark = [pytest.mark.servers, pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(600)]

Row = dict[str, str]
FAULTED = [
    (name, scenario)
    for name, scenario, _ in cells(check_settings(profile("quick")))
    if name in QUICK_STRATEGIES and scenario in ("crash", "pause")
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shell = Shell(tmp_path_factory.mktemp("quick"))
    done = shell.run("bench", "-k", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not shell.processes()
    return shell.home / "results" / "latest"


@pytest.fixture(scope="module")
def rows(results: Path) -> dict[tuple[str, str], Row]:
    with (results / "matrix.csv").open() as file:
        return {(row["strategy"], row["scenario"]): row for row in csv.DictReader(file)}


def test_the_matrix_has_every_column_and_a_row_for_every_cell(
    results: Path, rows: dict[tuple[str, str], Row]
) -> None:
    assert (results / "matrix.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    assert set(FAULTED) | {(name, "steady") for name in QUICK_STRATEGIES} <= set(rows)


@pytest.mark.parametrize("strategy", QUICK_STRATEGIES)
def test_in_steady_no_fire_is_duplicated_or_missed(
    rows: dict[tuple[str, str], Row], strategy: str
) -> None:
    row = rows[strategy, "steady"]
    if row["status"] == "not-run":
        pytest.skip(row["note"])
    assert (row["status"], row["duplicate_fires"], row["missed_fires"]) == ("ok", "0", "0")
    # A platform of minutes has three due times a job, the others eight or more.
    assert int(row["fires"]) == int(row["runs"]) >= (30 if strategy == "cronjob" else 70)


def test_every_control_breaks_by_its_own_predicate_in_its_scenario(
    rows: dict[tuple[str, str], Row],
) -> None:
    controls = [one for one in designs().values() if one.kind == "control"]
    assert len(controls) >= 8
    for one in controls:
        for breaks in one.breaks:
            row = rows[one.name, breaks.scenario]
            assert row["status"] == "declared", row
            assert float(row[breaks.column]) >= breaks.at_least


def test_uncoordinated_instances_make_n_runs_of_every_fire(
    rows: dict[tuple[str, str], Row],
) -> None:
    row = rows["uncoordinated", "steady"]
    assert int(row["runs"]) == 3 * int(row["fires"])
    assert row["duplicate_rate"] == "1"


@pytest.mark.parametrize(("strategy", "scenario"), FAULTED)
def test_a_fault_hit_its_holder_and_failover_stayed_within_the_designs_bound(
    rows: dict[tuple[str, str], Row], strategy: str, scenario: str
) -> None:
    row = rows[strategy, scenario]
    if row["status"] == "not-run":
        pytest.skip(row["note"])
    assert row["status"] == "ok", row
    assert row["faults_hit"] == row["valid_trials"] == "1"
    assert 0 < float(row["failover_max_s"]) <= float(row["failover_bound_s"])


def test_a_number_can_be_traced_to_the_fires_and_events_that_made_it(results: Path) -> None:
    trial = next((results / "trials" / "uncoordinated" / "steady").iterdir())
    named = json.loads((trial / "verdict.json").read_text())["fires"]["duplicate"]
    assert len(named) == json.loads((trial / "metrics.json").read_text())["counts"]["duplicate"]
    assert (trial / "history.parquet").stat().st_size > 1000


def test_no_credential_is_in_any_result_file(results: Path) -> None:
    for path in results.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"://:" not in content, path
            assert b"@127.0.0.1" not in content, path
