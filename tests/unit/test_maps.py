"""Maps: bisection that looks where the verdict changes, scenarios that can be read, pictures."""

from pathlib import Path

import pytest

from bench.errors import BadArguments
from bench.maps.command import run_map
from bench.maps.kinds import KINDS, Kind, kind
from bench.maps.picture import COLUMNS, draw, table
from bench.maps.survey import RESOLUTION, Point, Probe, Survey, wanted
from bench.results import Results
from strategies.catalogue import design

FIRST = [0.4, 0.7, 1.0, 1.3, 1.6]
CLOSE = RESOLUTION * (FIRST[-1] - FIRST[0])


def survey_of(turns: float, always: float, trials: int = 3) -> dict[float, Point]:
    """A row surveyed to its end where trials go bad from `turns` on, and all do from `always`."""
    row: dict[float, Point] = {}
    for _ in range(50):
        want = wanted(row, FIRST, trials, CLOSE)
        new = {x: n for x, n in want.items() if x not in row or row[x].trials < n}
        if not new:
            return row
        for x, n in new.items():
            bad = 0 if x < turns else n if x >= always else max(1, n - 1)
            row[x] = Point(x, 1.0, n, bad)
    raise AssertionError("the survey never ends")


def test_a_row_is_first_looked_at_once_everywhere():
    assert wanted({}, FIRST, 3, CLOSE) == dict.fromkeys(FIRST, 1)


@pytest.mark.parametrize(("turns", "always"), [(0.66, 0.66), (0.9, 1.1), (1.25, 1.55)])
def test_bisection_closes_in_on_where_it_begins_and_on_where_it_is_certain(turns, always):
    row = survey_of(turns, always)
    first = min(x for x, point in row.items() if point.bad)
    last_good = max(x for x, point in row.items() if not point.bad)
    certain = min(x for x, point in row.items() if point.bad == point.trials and x >= always)
    assert turns <= first <= turns + CLOSE
    assert last_good < turns <= last_good + CLOSE
    assert certain <= always + CLOSE
    assert all(point.trials == 3 for point in row.values() if abs(point.x - turns) < CLOSE)


def test_trials_are_spent_where_the_verdict_changes():
    row = survey_of(0.66, 0.66)
    assert [row[x].trials for x in FIRST] == [3, 3, 1, 1, 1] or row[1.0].trials == 3
    assert len(row) <= len(FIRST) + 5


@pytest.mark.parametrize(("turns", "far"), [(9.0, 1.6), (0.0, 0.4)])
def test_a_row_of_one_verdict_is_confirmed_at_its_end_and_not_searched(turns, far):
    row = survey_of(turns, turns)
    assert sorted(row) == FIRST
    assert row[far].trials == 3


@pytest.mark.parametrize("one", KINDS.values(), ids=lambda one: one.name)
@pytest.mark.parametrize("strategy", ["redis-lock", "etcd-election", "redis-lock-hold"])
def test_every_place_has_a_trial_of_its_own_that_can_be_run_again(
    tmp_path: Path, one: Kind, strategy: str
) -> None:
    results = Results(tmp_path)
    chosen = design(strategy)
    survey = Survey(one, chosen, one.rows(chosen), 5, 3, 1, results)
    plans = list(survey._round())
    assert len({plan.scenario.name for plan in plans}) == len(plans) == 5 * len(survey.rows)
    for plan in plans:
        assert plan.why_not is None
        assert Path(plan.scenario.file).is_file()
        assert plan.scenario.file in plan.command
        assert isinstance(plan.scenario, Probe)
        assert plan.load_s < 15
    low, high = one.theory(chosen, survey.rows[0])
    assert 0 < low <= high


def test_the_picture_and_the_table_show_every_place(tmp_path: Path) -> None:
    points = [Point(0.5, 1.0, 1, 0), Point(0.8, 1.0, 3, 1), Point(1.2, 1.0, 2, 2)]
    one, chosen = kind("ttl-pause"), design("redis-lock")
    lines = table(one, chosen, points).splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[2].startswith("0.8,1,3,1,0.333,0.06")
    for name in ("map.png", "map.svg"):
        draw(one, chosen, points, "somewhere", [tmp_path / name])
        assert (tmp_path / name).stat().st_size > 5000
    assert "pause of the holder (s)" in (tmp_path / "map.svg").read_text()


@pytest.mark.parametrize(
    ("name", "rows", "points", "said"),
    [
        ("skew-lease", (0.3, 0.01), 5, "--rows is 0.01: expected 0.1 to 60"),
        ("ttl-paws", (), 5, "unknown map 'ttl-paws': did you mean ttl-pause?"),
        ("ttl-pause", (0.01,), 5, "--rows is 0.01: expected 0.5 to 60"),
        ("ttl-pause", (), 1, "--points is 1: expected 2 to 50"),
    ],
)
def test_what_cannot_be_surveyed_is_said_in_one_line(tmp_path, name, rows, points, said):
    with pytest.raises(BadArguments, match=said.replace("?", r"\?")):
        run_map(name, "redis-lock", rows, points, 3, 1, tmp_path, None, None)
