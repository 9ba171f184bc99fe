"""How many lines of code a design takes, counted from the strategies themselves.

Counted are the modules of the design's own family that its algorithm and its adapter import, with
their Lua or SQL statements; not what all families share (jobs, schedules, notes), stand-ins for
tests, nor the catalogue's descriptions. A line counts if there is code on it: no blank line,
comment or docstring.
"""

import ast
import functools
import io
import tokenize
from importlib.util import find_spec
from pathlib import Path

from strategies.catalogue import design

_DESCRIBES = {"designs", "memory", "lease_designs"}
_SHARED = {"kubernetes"}  # a package beside the families, part of those that use it
_SHARED_MODULES = {"strategies.postgres"}  # likewise
_STATEMENTS = {"redis": ".lua", "postgres": ".sql"}


@functools.cache
def code_lines(name: str) -> int:
    """Lines of code of the design called `name`."""
    one = design(name)
    family = (one.adapters or (f"strategies.{one.family}.x",))[0].split(".")[1]
    start = {*one.adapters, f"strategies.{family}.algorithm"}
    modules = _reached({module for module in start if _path(module)}, family)
    total = sum(_python_lines(path) for path in map(_path, sorted(modules)) if path)
    for service in one.services:
        suffix = _STATEMENTS.get(service)
        folder = Path(str(_path(f"strategies.{family}.{service}") or "")).parent
        if suffix:
            total += sum(_statement_lines(file) for file in sorted(folder.glob(f"*/*{suffix}")))
    return total


def _reached(modules: set[str], family: str) -> set[str]:
    """The modules, and all they import, of the family's own package."""
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        module = waiting.pop()
        found.add(module)
        path = _path(module)
        if path is None:
            continue
        waiting |= {one for one in _imports(path) if _counts(one, family)} - found
    return found


def _counts(module: str, family: str) -> bool:
    words = module.split(".")
    return module in _SHARED_MODULES or (
        len(words) > 2
        and words[0] == "strategies"
        and (words[1] == family or words[1] in _SHARED)
        and words[2] not in _DESCRIBES
        and _path(module) is not None
    )


@functools.cache
def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }


@functools.cache
def _path(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


@functools.cache
def _python_lines(path: Path) -> int:
    return source_lines(path.read_text())


def source_lines(source: str) -> int:
    """Lines of Python source with code on them; docstrings and comments are none."""
    skip = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skip and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - _docstring_lines(source))


def _docstring_lines(source: str) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return found


def _statement_lines(path: Path) -> int:
    lines = (line.strip() for line in path.read_text().splitlines())
    return sum(1 for line in lines if line and not line.startswith("--"))
