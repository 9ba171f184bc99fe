"""The notebooks as a reader has them: from a clean kernel, on published data and on a quick bench.

The committed outputs are what the committed data gives.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from bench import results
from bench.notebooks import chosen, differences, execute
from bench.settings import QUICK_STRATEGIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

BOOKS = chosen([])
NAMES = [path.stem for path in BOOKS]
QUICK = ["steady", "crash", "pause", "partition"]


def executed() -> dict[str, Any]:
    """Every notebook, executed in a clean kernel."""
    return dict(zip(NAMES, execute(BOOKS), strict=True))


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    os.environ.pop("COORDBENCH_RESULTS", None)
    return executed()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """On as much of the published set as a quick bench has, under another path."""
    whole, part = results.load().results, tmp_path_factory.mktemp("results") / "quick"
    for place in whole.trial_places():
        strategy, scenario, trial = place.parts[-3:]
        quick = strategy in QUICK_STRATEGIES and scenario in QUICK and "equal-2s-n3-m10-" in trial
        if quick or "check-then-set" in strategy:
            shutil.copytree(place, part / place.relative_to(whole.path))
    for name in ("config.json", "environment.json"):
        shutil.copyfile(whole.path / name, part / name)
    os.environ["COORDBENCH_RESULTS"] = str(part)
    yield executed()
    del os.environ["COORDBENCH_RESULTS"]


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_outputs_are_what_the_committed_data_gives(
    published: dict[str, Any], name: str
) -> None:
    kept = nbformat.read(next(path for path in BOOKS if path.stem == name), as_version=4)
    assert list(differences(kept, published[name])) == []


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_a_quick_bench_and_answers_from_it(quick: dict[str, Any], name: str) -> None:
    shown = "".join(text for _, text in texts(quick[name]))
    assert "quick: " in shown
    assert "Partial" in shown


@pytest.mark.parametrize("name", NAMES)
def test_it_states_its_question_data_answer_and_limits(name: str) -> None:
    book = nbformat.read(next(path for path in BOOKS if path.stem == name), as_version=4)
    said = "\n".join([cell.source for cell in book.cells if cell.cell_type == "markdown"])
    shown = "\n".join(text for form, text in texts(book) if form == "text/markdown")
    assert said.startswith(f"# {name[:2]} ")
    for word in ("**Question.**", "**Data.**", "## Answer"):
        assert word in said
    assert "## Limits" in said + shown
    asked = next(place for place, cell in enumerate(book.cells) if "## Answer" in cell.source)
    [answer] = book.cells[asked + 1].outputs
    assert answer.data["text/markdown"].startswith("**")
    assert any(letter.isdigit() for letter in answer.data["text/markdown"])


@pytest.mark.parametrize("name", NAMES)
def test_it_is_committed_with_outputs_and_without_what_changes(name: str) -> None:
    path = next(path for path in BOOKS if path.stem == name)
    book = nbformat.read(path, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    assert {cell.execution_count for cell in code} == {None}
    assert not [one for cell in code for one in cell.outputs if one.output_type == "error"]
    assert not [one for cell in code for one in cell.outputs if one.get("name") == "stderr"]
    assert str(Path.home()) not in path.read_text()


def texts(book: Any) -> Iterator[tuple[str, str]]:
    for cell in book.cells:
        for output in cell.get("outputs", []):
            for form, value in output.get("data", {}).items():
                if form.startswith("text/"):
                    yield form, value
