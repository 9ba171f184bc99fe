"""Histories on disk: JSON lines as instances write them, one wide parquet table once merged.

The table has one row per event in time order, `type` first, and one nullable column per field of
any event (docs/history-format.md). A trial's files are merged into it; somebody else's history is
one file. A line cut short by a kill is dropped, with a warning, only at the end of a file that a
trial's process wrote; anything else that cannot be read is an error with its file and line.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import InvalidResults
from bench.events import FORMAT_VERSION, Counters, Died, decode
from bench.events import History as Header
from strategies.notes import Event

SCHEMA = pa.schema(
    [
        ("t", pa.float64()),
        ("type", pa.string()),
        ("instance", pa.string()),
        ("job", pa.string()),
        ("due_ms", pa.int64()),
        ("run", pa.string()),
        ("status", pa.string()),
        ("fence", pa.int64()),
        ("repeated", pa.bool_()),
        ("stale", pa.bool_()),
        ("action", pa.string()),
        ("seconds", pa.float64()),
        ("outcome", pa.string()),
        ("fires", pa.int64()),
        ("subject", pa.string()),
        ("reason", pa.string()),
        ("what", pa.string()),
        ("fault", pa.string()),
        ("id", pa.int64()),
        ("kind", pa.string()),
        ("target", pa.string()),
        ("asked_s", pa.float64()),
        ("lag_s", pa.float64()),
        ("name", pa.string()),
        ("counts", pa.string()),
        ("pid", pa.int64()),
        ("error", pa.string()),
        ("exit_status", pa.int64()),
        ("version", pa.int64()),
        ("until_s", pa.float64()),
        ("strategy", pa.string()),
        ("scenario", pa.string()),
        ("lease_s", pa.float64()),
        ("instances", pa.int64()),
        ("period_s", pa.float64()),
        ("overlap", pa.string()),
        ("misfire", pa.string()),
        ("tries", pa.int64()),
        ("timeout_s", pa.float64()),
    ]
)
"""The columns of history.parquet, in order."""

# Two events use the word `status`; on disk a process's status has its own column.
_RENAMED: dict[tuple[type[Event], str], str] = {(Died, "status"): "exit_status"}


def read_lines(path: Path, *, may_be_cut: bool = False) -> tuple[list[Event], list[str]]:
    """The events of one JSON-lines file, and warnings about what was dropped.

    `may_be_cut` allows the last line to be incomplete. Raises InvalidResults for a line that
    cannot be read and for a history of another format version.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InvalidResults(f"history {path}: {error.strerror}") from error
    events: list[Event] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if may_be_cut and number == len(lines):
                return events, [f"{path.name}: the last line was cut short and is left out"]
            raise InvalidResults(
                f"{path}:{number}: not a line of a history ({error}); "
                "docs/history-format.md lists the events"
            ) from error
        _check_version(event, path, number)
        events.append(event)
    return events, []


def read_history(path: Path) -> pa.Table:
    """One JSON-lines history, such as somebody else's, as a table."""
    return to_table(read_lines(path)[0])


def merge(directory: Path) -> tuple[pa.Table, list[str]]:
    """The event files of one trial (`*.jsonl` in `directory`) as one table, and warnings."""
    events: list[Event] = []
    warnings: list[str] = []
    for path in sorted(directory.glob("*.jsonl")):
        more, said = read_lines(path, may_be_cut=True)
        events += more
        warnings += said
    if not events:
        raise InvalidResults(f"history {directory}: no event in any *.jsonl file")
    return to_table(events), warnings


def to_table(events: Sequence[Event]) -> pa.Table:
    """Events as the one wide table, sorted by time; equal times keep their order."""
    order = np.argsort(np.array([event.t for event in events], np.float64), kind="stable")
    rank = np.empty(len(events), np.int64)
    rank[order] = np.arange(len(events))
    rows: defaultdict[type[Event], list[int]] = defaultdict(list)
    for row, event in enumerate(events):
        rows[type(event)].append(row)
    parts = [_part(kind, [events[row] for row in some]) for kind, some in rows.items()]
    whole = pa.concat_tables([SCHEMA.empty_table(), *parts], promote_options="default")
    where = np.concatenate([rank[some] for some in rows.values()]) if rows else rank
    return whole.take(np.argsort(where))


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a history's table."""
    pq.write_table(table, path, compression="zstd")


def read_parquet(path: Path) -> pa.Table:
    """Read what `write_parquet` wrote. Raises InvalidResults for anything else."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InvalidResults(f"history {path}: {error}") from error
    if table.schema.names != SCHEMA.names:
        raise InvalidResults(
            f"history {path}: its columns are not those of format {FORMAT_VERSION} "
            "(docs/history-format.md)"
        )
    return table


def _part(kind: type[Event], events: Sequence[Event]) -> pa.Table:
    """The events of one type as a table of their own columns, with the schema's types."""
    columns: dict[str, Any] = {"type": [kind.__struct_config__.tag] * len(events)}
    for field in kind.__struct_fields__:
        columns[_RENAMED.get((kind, field), field)] = list(_values(events, field, kind))
    schema = pa.schema([field for field in SCHEMA if field.name in columns])
    return pa.table(columns, schema=schema)


def _values(events: Iterable[Event], field: str, kind: type[Event]) -> Iterator[Any]:
    values = (getattr(event, field) for event in events)
    if (kind, field) == (Counters, "counts"):
        return (msgspec.json.encode(counts).decode() for counts in values)
    return values


def _check_version(event: Event, path: Path, number: int) -> None:
    if isinstance(event, Header) and event.version != FORMAT_VERSION:
        raise InvalidResults(
            f"{path}:{number}: history format {event.version}, this coordbench reads "
            f"{FORMAT_VERSION}: use the version that wrote it"
        )
