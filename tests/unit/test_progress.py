"""How a long first start is shown: line by line in a pipe, on one line of a terminal."""

import io

import pytest
from rich.console import Console

from bench.progress import LineProgress, LiveProgress


def test_in_a_pipe_each_line_is_printed() -> None:
    out = io.StringIO()
    progress = LineProgress(Console(file=out, width=40))
    progress.step("building into a folder whose name is longer than the line")
    progress.passing("about 10 %")
    progress.passing("about 20 %")
    assert out.getvalue().splitlines() == [
        "building into a folder whose name is longer than the line",
        "about 10 %",
        "about 20 %",
    ]


def drawn(progress: LiveProgress) -> str:
    paper = Console(file=io.StringIO(), width=80)
    with paper.capture() as shown:
        paper.print(progress._draw())
    return shown.get().strip()


def test_on_a_terminal_the_last_one_stands_until_the_trials_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")  # a dumb one has no cursor to hide
    out = io.StringIO()
    progress = LiveProgress(Console(file=out, force_terminal=True, width=80))
    try:
        progress.passing("about 10 %")
        progress.passing("about 20 %")
        assert drawn(progress) == "about 20 %"
        progress.begin([], 0, 0.0)
        assert "about 20 %" not in drawn(progress)
    finally:
        progress.end()
    assert "\x1b[?25h" in out.getvalue()  # the cursor is back
