"""Results as a notebook meets them: frames with their columns, and a page that says what it is."""

from pathlib import Path

import pytest
from report_stories import directory, paused_holder
from written_histories import Story

from bench import results
from bench.commands import run_check
from bench.errors import InvalidResults
from bench.matrix import NotRun
from bench.record import Cell, TrialRecord

PAUSED = TrialRecord(strategy="redis-lock", scenario="pause", instances=2, jobs=1)


def test_a_relative_path_is_looked_for_from_the_repositorys_root(monkeypatch, tmp_path):
    there = results.load(directory(tmp_path).path).results.path
    monkeypatch.setattr("bench.loaded.REPOSITORY", tmp_path)
    monkeypatch.chdir(Path("/"))
    assert results.load(there.name).results.path == there


def test_without_a_path_it_is_the_newest_published_set_or_what_the_variable_names(
    monkeypatch, tmp_path
):
    monkeypatch.setattr("bench.loaded.REPOSITORY", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COORDBENCH_RESULTS", raising=False)
    old, new = (
        directory(tmp_path / "published" / day).path for day in ("2026-01-01", "2026-02-01")
    )
    for path in (old, new):
        path.rename(path.parent.parent / f"set-{path.parent.name}")
    assert results.load().results.path.name == "set-2026-02-01"
    monkeypatch.setenv("COORDBENCH_RESULTS", "published/set-2026-01-01")
    assert results.load().results.path.name == "set-2026-01-01"


def test_what_is_not_there_says_which_command_makes_it():
    with pytest.raises(InvalidResults, match="results/nothing: not there; `make bench` makes"):
        results.load("results/nothing")


def test_every_row_of_runs_and_faults_leads_to_its_timeline_and_its_verdict(tmp_path):
    loaded = results.load(directory(tmp_path, (paused_holder(), PAUSED)).path)
    assert loaded.runs["trial"].unique().tolist() == ["redis-lock/pause/equal-2s-n2-m1-k1"]
    assert loaded.runs["verdict"].unique().tolist() == loaded.faults["verdict"].tolist()
    bars = loaded.timeline(loaded.faults.iloc[0]["trial"])
    assert (bars["kind"] == "fault").sum() == 1
    assert (bars["kind"] == "run").sum() == len(loaded.runs)


def test_frames_of_an_empty_directory_have_their_columns(tmp_path):
    loaded = results.load(directory(tmp_path).path)
    assert loaded.matrix.query("scenario == 'crash'").empty
    assert loaded.runs.query("duplicate").empty
    assert loaded.faults[["failover_s", "failover_bound_s"]].empty


def test_the_page_of_an_empty_directory_says_so_and_how_to_go_on(tmp_path):
    loaded = results.load(directory(tmp_path).path)
    assert "No trial has ended yet. To go on: coordbench bench --resume" in loaded._repr_html_()
    assert "No trial has ended yet" in repr(loaded)


def test_the_page_of_a_partial_directory_says_how_much_is_there(tmp_path):
    loaded = results.load(directory(tmp_path, (paused_holder(), PAUSED)).path)
    assert "Partial: 1 of the 2 trials asked for" in loaded._repr_html_()


def test_the_page_shows_the_status_of_each_cell_in_words_and_names_as_text(tmp_path):
    made = directory(tmp_path, (Story(until=30), PAUSED))
    made.keep_not_run([NotRun(Cell("<quartz>", "crash", "equal", 2.0, 3, 10), "no server")])
    page = results.load(made.path)._repr_html_()
    assert "&lt;quartz&gt;" in page
    assert ">not-run</td>" in page
    assert ">invalid</td>" in page
    assert "0 of them valid" in page


def test_checking_results_again_makes_their_report_anew(tmp_path, capsys):
    made = directory(tmp_path, (paused_holder(), PAUSED))
    run_check(made.path)
    assert str(made.path / "report.html") in capsys.readouterr().out.replace("\n", "")
    assert (made.path / "report.html").is_file()
