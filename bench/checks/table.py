"""A history's table taken apart: one type of event at a time, its names as codes.

Codes count the jobs in the order of their declaration and the instances by name, from 0; -1 is what
is not among them.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.checks.columns import Bytes, Codes, Floats, Ints
from bench.errors import InvalidResults


class EventTable:
    """The table split by event type, and the codes of its names."""

    def __init__(self, table: pa.Table) -> None:
        types = pc.dictionary_encode(table["type"].combine_chunks())
        codes, names = types.indices.to_numpy(), types.dictionary.to_pylist()
        self._table = table
        self._rows = {name: np.flatnonzero(codes == code) for code, name in enumerate(names)}
        self.job_names = tuple(self.strings("job-declared", "job"))
        every = pc.unique(table["instance"]).to_pylist()
        self.instance_names = tuple(sorted(name for name in every if name))
        self.jobs = {name: code for code, name in enumerate(self.job_names)}
        self.instances = {name: code for code, name in enumerate(self.instance_names)}

    def rows(self, kind: str) -> Ints:
        """Where the events of one type are."""
        return self._rows.get(kind, np.empty(0, np.int64))

    def array(self, kind: str, column: str) -> Any:
        """One column of one type's events, as arrow gives it."""
        return self._table[column].take(self.rows(kind)).combine_chunks()

    def floats(self, kind: str, column: str) -> Floats:
        """A column of numbers, NaN where there is none."""
        values: Floats = self.array(kind, column).to_numpy(zero_copy_only=False)
        return values.astype(np.float64)

    def ints(self, kind: str, column: str, absent: int = -1) -> Ints:
        """A column of whole numbers."""
        values: Ints = pc.fill_null(self.array(kind, column), absent).to_numpy()
        return values

    def strings(self, kind: str, column: str) -> list[str]:
        """A column of words, for types with few events."""
        return [value or "" for value in self.array(kind, column).to_pylist()]

    def coded(self, kind: str, column: str, names: dict[str, int]) -> Bytes:
        """A column of words from a small set, as that set's numbers; -1 for any other word."""
        return self.encoded(kind, column, names).astype(np.int8)

    def job_codes(self, kind: str) -> Codes:
        """The job of each event; -1 where it names none. Refuses undeclared jobs."""
        return self.encoded(kind, "job", {**self.jobs, "": -1}, strict=True)

    def instance_codes(self, kind: str) -> Codes:
        """The instance of each event; -1 where it names none."""
        return self.encoded(kind, "instance", self.instances)

    def encoded(
        self, kind: str, column: str, names: dict[str, int], *, strict: bool = False
    ) -> Codes:
        """A column of words as the numbers of `names`; where `strict`, refuses any other word."""
        encoded = pc.dictionary_encode(pc.fill_null(self.array(kind, column), ""))
        words = encoded.dictionary.to_pylist()
        unknown = [word for word in words if word not in names]
        if strict and unknown:
            raise InvalidResults(f"history: {kind} of {column} {unknown[0]!r}, never declared")
        codes = np.array([names.get(word, -1) for word in words], np.int32)
        values: Codes = codes[encoded.indices.to_numpy()]
        return values

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """One type's events with all their fields, for types with few events."""
        found: list[dict[str, Any]] = self._table.take(self.rows(kind)).to_pylist()
        return found

    def written_as(self, instance: str, since_s: float, until_s: float | None) -> list[str]:
        """The types of the events in an instance's name after `since_s` and before `until_s`."""
        table = self._table
        mine = pc.equal(table["instance"], instance)
        mine = pc.and_(mine, pc.greater(table["t"], since_s))
        if until_s is not None:
            mine = pc.and_(mine, pc.less(table["t"], until_s))
        kinds: list[str] = pc.filter(table["type"], mine).to_pylist()
        return kinds
