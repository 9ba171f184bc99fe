"""The style: one look per strategy, the report's hues; drawings that show what they are given."""

import itertools
import re
from collections import Counter
from importlib import resources

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from report_stories import directory, paused_holder

from bench import plots
from bench.history import read_parquet
from bench.plots.style import FAMILIES
from bench.record import TrialRecord
from bench.report.timeline import frame, timeline
from strategies.catalogue import designs


@pytest.fixture
def axes():
    plots.use()
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_no_two_strategies_look_alike():
    looks = Counter(plots.look(one.name) for one in designs().values() if one.kind != "control")
    assert looks.most_common(1)[0][1] == 1


def test_hues_are_those_of_the_report():
    css = resources.files("bench.report").joinpath("page.css").read_text()
    light = css.split('data-theme="dark"')[0]
    in_report = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light))
    assert {name: in_report[name] for name in FAMILIES} == FAMILIES


def test_a_name_is_never_too_faint_to_be_read_on_white():
    for one in designs().values():
        red, green, blue = to_rgb(plots.look(one.name).text)
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.56, one.name


def test_a_strategy_that_is_not_installed_is_drawn_all_the_same():
    assert plots.look("somebody-elses").colour == FAMILIES["other"]
    mixed = ["uncoordinated", "quartz", "somebody-elses", "redis-lock"]
    assert plots.in_order(mixed) == ["redis-lock", "quartz", "uncoordinated", "somebody-elses"]


def test_an_ecdf_steps_once_for_each_value_and_leaves_out_the_missing(axes):
    plots.ecdf(axes, [2.0, float("nan"), 1.0], "quartz")
    steps, marks = axes.lines
    assert marks.get_xydata().tolist() == [[1.0, 0.5], [2.0, 1.0]]
    assert steps.get_ydata().tolist() == [0.0, 0.5, 1.0]


def test_an_ecdf_of_nothing_draws_nothing(axes):
    plots.ecdf(axes, [float("nan")], "quartz")
    assert not axes.lines


def test_intervals_stand_at_the_rate_between_its_bounds(axes):
    row = {"missed_rate": 0.1, "missed_low": 0.05, "missed_high": 0.2}
    plots.intervals(axes, pd.DataFrame([row], index=["redis-lock"]), "missed")
    bounds, dot = axes.lines
    assert bounds.get_xdata() == pytest.approx([5, 20])
    assert dot.get_xdata() == pytest.approx([10])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["redis-lock"]


def test_a_heatmap_says_its_words_also_where_nothing_was_measured(axes):
    table = pd.DataFrame({"steady": [1.0, float("nan")]}, index=["quartz", "cronjob"])
    plots.heatmap(axes, table, words=[["1.0"], ["not-run"]])
    assert texts(axes) == ["1.0", "not-run"]


def test_labels_at_the_ends_of_lines_do_not_lie_on_each_other(axes):
    axes.set_ylim(0, 1)
    plots.end_labels(axes, [(0.5, "b", "k"), (0.5, "a", "k"), (0.52, "c", "k")], apart=0.06)
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 0.0599


def test_a_timeline_has_a_lane_per_instance_its_runs_and_the_fault(axes, tmp_path):
    record = TrialRecord(strategy="redis-lock", scenario="pause", jobs=1)
    made = directory(tmp_path, (paused_holder(), record))
    [place] = made.trial_places()
    bars = frame(timeline(read_parquet(place / "history.parquet")))
    plots.timeline(axes, bars)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["i1", "i2"]
    assert "pause" in "".join(texts(axes))
    assert "run a second time" in axes.get_legend_handles_labels()[1]
