"""The notebooks, run without a person: outputs made anew, or held against the committed ones.

    python -m bench.notebooks run [NUMBER ...]      execute and keep the outputs
    python -m bench.notebooks check [NUMBER ...]    execute, and name the cells that differ

Each notebook runs in a clean kernel, some side by side. What changes from run to run (execution
counts, times, addresses of objects) is not kept. `check` compares words exactly and pictures pixel
by pixel with a tolerance; a cell tagged `varies` (it starts processes, say) must only run.
"""

import asyncio
import base64
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from bench.errors import BadArguments, BenchError, Exit

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
AT_ONCE = 2  # kernels; each reads and draws on one core
CELL_S = 120
VARIES = "varies"
SHADE, SPOTS = 0.125, 1e-4  # a pixel that differs by more, and the share of them that is let pass


class NotebookFailed(BenchError):
    """A notebook raised an error; the message names it, the cell and the error."""


def execute(paths: Sequence[Path]) -> list[Any]:
    """The notebooks with the outputs of clean kernels, some at once; raises NotebookFailed."""
    return asyncio.run(_execute(paths))


async def _execute(paths: Sequence[Path]) -> list[Any]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(path: Path) -> Any:
        async with turns:
            return await _execute_one(path)

    return list(await asyncio.gather(*map(in_turn, paths)))


async def _execute_one(path: Path) -> Any:
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(
        book,
        timeout=CELL_S,
        kernel_name="python3",
        resources={"metadata": {"path": path.parent}},
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        await client.async_execute()
    except CellExecutionError as error:
        last = [line for line in str(error).splitlines() if line.strip()][-1]
        raise NotebookFailed(f"{path.name}: {last}") from error
    return tidy(book)


def tidy(book: Any) -> Any:
    """The notebook without what changes from run to run."""
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(book.cells, 1):
        cell.id = f"cell-{number:02}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = None
    return book


def differences(kept: Any, made: Any) -> Iterator[str]:
    """What the outputs of two runs of one notebook do not agree in, a line for each cell."""
    for number, (one, other) in enumerate(zip(kept.cells, made.cells, strict=True), 1):
        if one.cell_type != "code" or VARIES in one.metadata.get("tags", []):
            continue
        if len(one.outputs) != len(other.outputs):
            yield f"cell {number}: {len(one.outputs)} outputs kept, {len(other.outputs)} made"
            continue
        for left, right in zip(one.outputs, other.outputs, strict=True):
            if said := _difference(left, right):
                yield f"cell {number}: {said}"


def _difference(kept: Any, made: Any) -> str | None:
    left, right = _content(kept), _content(made)
    if left.keys() != right.keys():
        return f"{', '.join(left)} kept, {', '.join(right)} made"
    for form, value in left.items():
        if form == "image/png":
            if (share := picture_difference(value, right[form])) > SPOTS:
                return f"the picture differs in {share:.2%} of its pixels"
        elif "image/png" not in left and value != right[form]:
            return _first_line(str(value), str(right[form]))
    return None


def picture_difference(kept: str, made: str) -> float:
    """The share of pixels in which two base64 PNG pictures differ; 1 for pictures of two sizes."""
    from matplotlib.image import imread

    left, right = (imread(io.BytesIO(base64.b64decode(one))) for one in (kept, made))
    if left.shape != right.shape:
        return 1.0
    return float((np.abs(left - right).max(axis=-1) > SHADE).mean())


def _content(output: Any) -> dict[str, Any]:
    """The forms of an output, its text joined."""
    if output.output_type == "stream":
        return {output.name: "".join(output.text)}
    if output.output_type == "error":
        return {"error": output.evalue}
    return {form: "".join(value) if isinstance(value, list) else value
            for form, value in output.data.items()}  # fmt: skip


def _first_line(kept: str, made: str) -> str:
    pairs = zip([*kept.splitlines(), ""], [*made.splitlines(), ""], strict=False)
    left, right = next((pair for pair in pairs if pair[0] != pair[1]), (kept, made))
    return f"kept {left.strip()[:160]!r}, made {right.strip()[:160]!r}"


def chosen(numbers: Sequence[str]) -> list[Path]:
    """The notebooks whose names begin with these numbers; all for none. Raises BadArguments."""
    known = sorted(FOLDER.glob("[0-9][0-9]-*.ipynb"))
    for number in numbers:
        if not any(path.name.startswith(number) for path in known):
            names = ", ".join(path.stem for path in known)
            raise BadArguments(f"notebook {number!r}: known are {names}")
    return [path for path in known if not numbers or path.name.startswith(tuple(numbers))]


def main(arguments: Sequence[str]) -> int:
    """`run` or `check`; the exit code."""
    what, *numbers = arguments or [""]
    if what not in ("run", "check"):
        raise BadArguments(f"{what!r}: expected run or check, and numbers of notebooks")
    code = Exit.KEPT
    paths = chosen(numbers)
    for path, made in zip(paths, execute(paths), strict=True):
        said = list(differences(nbformat.read(path, as_version=4), made))
        if what == "run":
            nbformat.write(made, path)
        elif said:
            code = Exit.BROKEN
        print(f"{path.name}: {'ok' if what == 'run' or not said else 'differs'}", flush=True)
        for line in said if what == "check" else []:
            print(f"  {line}")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BenchError as failure:
        print(f"bench.notebooks: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
