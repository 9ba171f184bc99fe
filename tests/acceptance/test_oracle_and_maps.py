"""An exam and a map on real servers, interrupted: what there is by then is kept, and goes on."""

import signal

import pytest
from shell import Shell, wait_for

# A bench repeats what the machine was too busy for, up to three times a trial.
pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(400)]


def test_an_interrupted_exam_goes_on_and_finds_its_mutant(shell: Shell) -> None:
    exam = shell.start("oracle", "--mutants", "skip-is-a-lie", "--healthy", "1")
    wait_for(exam, "[1/2]")
    exam.send_signal(signal.SIGTERM)
    output, _ = exam.communicate(timeout=20)
    assert exam.returncode == 130
    resume = output.split("coordbench oracle ")[-1].split()
    done = shell.run("oracle", *resume)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 trial, about" in done.stdout  # what was found is not looked for again
    assert "1 of 1 mutants found; 0 false alarms in 1 healthy trials" in done.stdout
    assert not shell.processes()


def test_an_interrupted_map_is_drawn_from_what_was_measured(shell: Shell) -> None:
    survey = shell.start("map", "ttl-pause", "--rows", "1", "--points", "2", "--trials", "1")
    wait_for(survey, "[2/2]")
    survey.send_signal(signal.SIGINT)
    output, _ = survey.communicate(timeout=20)
    assert survey.returncode == 130
    assert "coordbench map --resume" in output
    where = shell.home / "results/latest"
    _, far_below, far_beyond = (where / "map.csv").read_text().splitlines()
    assert far_below.startswith("0.4,1,1,0,")
    assert far_beyond.startswith("1.6,1,1,1,")
    assert (where / "map.png").stat().st_size > 5000
    assert not shell.processes()
