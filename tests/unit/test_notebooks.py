"""How notebooks' outputs are compared: a change is seen, and what always changes is not."""

import base64
import io
from typing import Any

import matplotlib.pyplot as plt
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from bench.errors import BadArguments
from bench.notebooks import chosen, differences, picture_difference, tidy


def book(*outputs: Any, tags: tuple[str, ...] = ()) -> Any:
    cell = new_code_cell("1", outputs=list(outputs), execution_count=7)
    cell.metadata.update(tags=list(tags), execution={"iopub.status.busy": "2026-01-01"})
    return tidy(new_notebook(cells=[new_markdown_cell("# 01"), cell]))


def words(text: str) -> Any:
    return new_output("execute_result", {"text/plain": text}, execution_count=3)


def picture(width: float) -> str:
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot([0, 1], [0, width], "o")
    axes.set_ylim(0, 2)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    plt.close(figure)
    return base64.b64encode(content.getvalue()).decode()


def drawn(width: float) -> Any:
    return new_output("display_data", {"image/png": picture(width), "text/plain": f"at 0x{width}"})


def test_the_same_outputs_do_not_differ() -> None:
    assert list(differences(book(words("5")), book(words("5")))) == []
    assert list(differences(book(drawn(1)), book(drawn(1)))) == []


def test_another_word_is_named_with_its_cell() -> None:
    said = list(differences(book(words("a\nfive")), book(words("a\nsix"))))
    assert said == ["cell 2: kept 'five', made 'six'"]


def test_an_output_more_or_of_another_form_is_a_difference() -> None:
    assert list(differences(book(words("5")), book(words("5"), words("6"))))
    assert list(differences(book(words("5")), book(drawn(1))))
    printed = new_output("stream", name="stderr", text="warning")
    assert list(differences(book(words("5")), book(printed)))


def test_one_dot_that_moves_is_a_difference_of_pictures() -> None:
    assert picture_difference(picture(1), picture(1)) == 0
    [said] = differences(book(drawn(1)), book(drawn(1.1)))
    assert "the picture differs" in said


def test_what_a_cell_tagged_varies_shows_is_not_compared() -> None:
    assert not list(differences(book(words("5"), tags=("varies",)), book(words("6"))))


def test_counts_and_times_of_execution_are_not_kept() -> None:
    cell = book(words("5")).cells[1]
    assert cell.execution_count is None
    assert cell.outputs[0].execution_count is None
    assert "execution" not in cell.metadata


def test_a_notebook_that_is_not_there_is_refused_by_its_number() -> None:
    assert [path.stem[:2] for path in chosen(["02", "05"])] == ["02", "05"]
    with pytest.raises(BadArguments, match="notebook '99': known are 01-why"):
        chosen(["99"])
