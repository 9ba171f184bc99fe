"""From a history's table to the columns that the checks work on.

What cannot be judged is refused here, in one line that names the value: no header or two, a fire
of an undeclared job, a run that ends without having started, or twice.
"""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.checks.columns import (
    CANCELLED,
    FAILED,
    GRANTED,
    LEADER,
    LOST,
    MISFIRE,
    NO_END,
    NO_FENCE,
    OVERLAP,
    RELEASED,
    RUN_ALL,
    RUN_LATEST,
    SKIP,
    SUCCEEDED,
    Bytes,
    Calls,
    Codes,
    Columns,
    Counted,
    Due,
    Effects,
    Ended,
    Fault,
    Floats,
    Header,
    Ints,
    Jobs,
    Ownership,
    PlatformSteps,
    Runs,
    Skips,
)
from bench.errors import InvalidResults

_STATUS = {"succeeded": SUCCEEDED, "failed": FAILED, "cancelled": CANCELLED}
_REASON = {"overlap": OVERLAP, "misfire": MISFIRE}
_POLICY = {"run-latest": RUN_LATEST, "run-all": RUN_ALL, "skip": SKIP}
SIGKILLED = -9
LAST_BREATH_S = 0.05  # a signal takes effect within it, and the ledger has written what it was told
# Written in an instance's name by the harness, the ledger or a platform, not by the instance.
NOT_ITS_OWN = ("fault-began", "fault-healed", "died", "effect", "platform")
_OWNERSHIP = {"granted": GRANTED, "released": RELEASED, "lost": LOST}


def columns(table: pa.Table) -> Columns:
    """The columns of a history's table; raises InvalidResults where it contradicts itself."""
    return _Reader(table).columns()


class _Reader:
    """The table split by event type, and the codes of its names."""

    def __init__(self, table: pa.Table) -> None:
        types = pc.dictionary_encode(table["type"].combine_chunks())
        codes, names = types.indices.to_numpy(), types.dictionary.to_pylist()
        self._table = table
        self._rows = {name: np.flatnonzero(codes == code) for code, name in enumerate(names)}
        self.job_names = tuple(self.strings("job-declared", "job"))
        every = pc.unique(table["instance"]).to_pylist()
        self.instance_names = tuple(sorted(name for name in every if name))

    def columns(self) -> Columns:
        """Everything, in the order of `Columns`."""
        runs, run_rows = self._runs()
        return Columns(
            header=self._header(),
            jobs=self._jobs(),
            instances=self.instance_names,
            due=Due(self.job_codes("due"), self.ints("due", "due_ms")),
            runs=runs,
            skips=self._skips(),
            effects=self._effects(),
            calls=self._calls(),
            ownership=self._ownership(),
            platform=self._platform(),
            faults=self._faults(run_rows),
            ready=tuple(
                zip(
                    self.floats("instance-ready", "t").tolist(),
                    self.instance_codes("instance-ready").tolist(),
                    strict=True,
                )
            ),
            ended=self._ended(),
            phases=tuple(
                zip(self.floats("phase", "t").tolist(), self.strings("phase", "name"), strict=True)
            ),
            counters=self._counters(),
            foreign_releases=len(self.rows("foreign-release")),
            lags_s=self.floats("lag", "lag_s"),
            lags_t=self.floats("lag", "t"),
        )

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
        return self._encoded(kind, column, names).astype(np.int8)

    def job_codes(self, kind: str) -> Codes:
        """The job of each event; -1 where it names none. Refuses undeclared jobs."""
        names = {name: code for code, name in enumerate(self.job_names)}
        names[""] = -1
        return self._encoded(kind, "job", names, strict=True)

    def instance_codes(self, kind: str) -> Codes:
        """The instance of each event; -1 where it names none."""
        names = {name: code for code, name in enumerate(self.instance_names)}
        return self._encoded(kind, "instance", names)

    def _encoded(
        self, kind: str, column: str, names: dict[str, int], *, strict: bool = False
    ) -> Codes:
        encoded = pc.dictionary_encode(pc.fill_null(self.array(kind, column), ""))
        words = encoded.dictionary.to_pylist()
        unknown = [word for word in words if word not in names]
        if strict and unknown:
            raise InvalidResults(f"history: {kind} of {column} {unknown[0]!r}, never declared")
        codes = np.array([names.get(word, -1) for word in words], np.int32)
        values: Codes = codes[encoded.indices.to_numpy()]
        return values

    def _header(self) -> Header:
        if len(self.rows("history")) != 1:
            found = len(self.rows("history"))
            raise InvalidResults(
                f"history: {found} header lines, expected one with version and until_s"
            )
        return Header(
            until_s=float(self.floats("history", "until_s")[0]),
            lease_s=float(self.floats("history", "lease_s")[0]),
            instances=int(self.ints("history", "instances")[0]),
            strategy=self.strings("history", "strategy")[0],
            scenario=self.strings("history", "scenario")[0],
        )

    def _jobs(self) -> Jobs:
        if len(set(self.job_names)) < len(self.job_names):
            twice = next(name for name in self.job_names if self.job_names.count(name) > 1)
            raise InvalidResults(f"history: job {twice!r} is declared twice")
        forbid = self.coded("job-declared", "overlap", {"forbid": 1, "allow": 0}) == 1
        return Jobs(
            names=self.job_names,
            period_s=self.floats("job-declared", "period_s"),
            forbid=forbid,
            misfire=self.coded("job-declared", "misfire", _POLICY),
            tries=self.ints("job-declared", "tries", 1),
        )

    def _runs(self) -> tuple[Runs, dict[str, int]]:
        """The runs, each with its end, and the rows of those that a fault names."""
        started, ended = self.array("run-started", "run"), self.array("run-ended", "run")
        row = pc.index_in(ended, value_set=started)
        if row.null_count:
            name = ended[pc.index(pc.is_null(row), True).as_py()]
            raise InvalidResults(f"history: run {str(name)!r} ended but never started")
        where = row.to_numpy()
        count = len(started)
        _refuse_repeats(where, ended, count)
        if len(pc.unique(started)) < count:
            counts = pc.value_counts(started)
            name = next(one["values"] for one in counts if one["counts"].as_py() > 1)
            raise InvalidResults(f"history: two runs are called {str(name)!r}")
        end_s, status = np.full(count, np.nan), np.full(count, NO_END, np.int8)
        end_s[where] = self.floats("run-ended", "t")
        status[where] = self.coded("run-ended", "status", _STATUS)
        runs = Runs(
            job=self.job_codes("run-started"),
            due_ms=self.ints("run-started", "due_ms"),
            instance=self.instance_codes("run-started"),
            start_s=self.floats("run-started", "t"),
            end_s=end_s,
            status=status,
            fence=self.ints("run-started", "fence", NO_FENCE),
        )
        named = pa.array(self.strings("fault-began", "run"), pa.string())
        rows = pc.index_in(named, value_set=started).to_pylist()
        pairs = zip(named.to_pylist(), rows, strict=True)
        _refuse_backwards(runs, started)
        return runs, {name: row for name, row in pairs if row is not None}

    def _skips(self) -> Skips:
        return Skips(
            job=self.job_codes("skipped"),
            due_ms=self.ints("skipped", "due_ms"),
            t=self.floats("skipped", "t"),
            reason=self.coded("skipped", "reason", _REASON),
        )

    def _effects(self) -> Effects:
        return Effects(
            job=self.job_codes("effect"),
            due_ms=self.ints("effect", "due_ms"),
            repeated=self.floats("effect", "repeated") == 1,
            stale=self.floats("effect", "stale") == 1,
        )

    def _calls(self) -> Calls:
        actions = {
            name: code
            for code, name in enumerate(sorted(set(self.strings("coordinated", "action"))))
        }
        outcome = self.coded("coordinated", "outcome", {"won": 0, "ok": 1, "lost": 2, "error": 3})
        return Calls(
            t=self.floats("coordinated", "t"),
            instance=self.instance_codes("coordinated"),
            job=self.job_codes("coordinated"),
            due_ms=self.ints("coordinated", "due_ms"),
            seconds=self.floats("coordinated", "seconds"),
            fires=self.ints("coordinated", "fires", 0),
            action=self._encoded("coordinated", "action", actions),
            won=outcome == 0,
            kept=outcome <= 1,
            actions=tuple(actions),
        )

    def _ownership(self) -> Ownership:
        jobs = {name: code for code, name in enumerate(self.job_names)}
        kinds = list(_OWNERSHIP)
        t = np.concatenate([self.floats(kind, "t") for kind in kinds])
        order = np.argsort(t, kind="stable")
        subject = np.concatenate([self._encoded(kind, "subject", jobs) for kind in kinds])
        leads = [self._encoded(kind, "subject", {LEADER: 1}) == 1 for kind in kinds]
        what = [np.full(len(self.rows(kind)), code, np.int8) for kind, code in _OWNERSHIP.items()]
        instance = np.concatenate([self.instance_codes(kind) for kind in kinds])
        return Ownership(
            t=t[order],
            instance=instance[order],
            subject=subject[order],
            leader=np.concatenate(leads)[order],
            what=np.concatenate(what)[order],
        )

    def _platform(self) -> PlatformSteps:
        steps = self.coded("platform", "what", {"node-not-ready": 0, "pod-bound": 1})
        jobs = {name: code for code, name in enumerate(self.job_names)}
        return PlatformSteps(
            t=self.floats("platform", "t"),
            instance=self.instance_codes("platform"),
            job=self._encoded("platform", "job", jobs),
            lost=steps == 0,
            bound=steps == 1,
        )

    def _faults(self, run_rows: dict[str, int]) -> tuple[Fault, ...]:
        healed = dict(
            zip(
                self.ints("fault-healed", "id").tolist(),
                self.floats("fault-healed", "t").tolist(),
                strict=True,
            )
        )
        asked = dict(
            zip(
                self.ints("fault-healed", "id").tolist(),
                self.floats("fault-healed", "asked_s").tolist(),
                strict=True,
            )
        )
        began = self._table.take(self.rows("fault-began")).to_pylist()
        instances = {name: code for code, name in enumerate(self.instance_names)}
        jobs = {name: code for code, name in enumerate(self.job_names)}
        return tuple(
            Fault(
                id=line["id"],
                kind=line["fault"],
                target=line["target"] or "",
                instance=instances.get(line["instance"], -1),
                job=jobs.get(line["job"], -1),
                run=run_rows.get(line["run"], -1),
                t=line["t"],
                asked_s=line["asked_s"] or line["t"],
                heal_s=healed.get(line["id"]),
                died_s=self._killed_s(line["instance"], line["asked_s"] or line["t"]),
                own_events=self._own_events(line["instance"], line["t"], asked.get(line["id"])),
            )
            for line in began
        )

    def _killed_s(self, instance: str, since_s: float) -> float | None:
        """When the harness first saw the instance dead by SIGKILL."""
        seen = zip(
            self.strings("died", "instance"),
            self.floats("died", "t").tolist(),
            self.ints("died", "exit_status", 0).tolist(),
            strict=True,
        )
        times = [t for name, t, status in seen if (name, status) == (instance, SIGKILLED)]
        return min((t for t in times if t >= since_s), default=None)

    def _own_events(self, instance: str, since_s: float, until_s: float | None) -> int:
        """How many events the instance itself wrote in between, but for its last breath."""
        table = self._table
        mine = pc.equal(table["instance"], instance)
        mine = pc.and_(mine, pc.greater(table["t"], since_s + LAST_BREATH_S))
        if until_s is not None:
            mine = pc.and_(mine, pc.less(table["t"], until_s))
        kinds = pc.filter(table["type"], mine).to_pylist()
        return sum(kind not in NOT_ITS_OWN for kind in kinds)

    def _ended(self) -> tuple[Ended, ...]:
        stopped = zip(
            self.floats("instance-stopped", "t").tolist(),
            self.instance_codes("instance-stopped").tolist(),
            self.strings("instance-stopped", "error"),
            strict=True,
        )
        died = zip(
            self.floats("died", "t").tolist(), self.instance_codes("died").tolist(), strict=True
        )
        return (
            *(Ended(t, instance, True, error) for t, instance, error in stopped),
            *(Ended(t, instance, False) for t, instance in died),
        )

    def _counters(self) -> tuple[Counted, ...]:
        decode = msgspec.json.Decoder(dict[str, float]).decode
        return tuple(
            Counted(t, name, decode(counts))
            for t, name, counts in zip(
                self.floats("counters", "t").tolist(),
                self.strings("counters", "instance"),
                self.strings("counters", "counts"),
                strict=True,
            )
        )


def _refuse_backwards(runs: Runs, names: Any) -> None:
    """Raise InvalidResults when a run ended before it began: the times are not of one clock."""
    wrong = np.flatnonzero(runs.end_s < runs.start_s)
    if len(wrong):
        row = int(wrong[0])
        raise InvalidResults(
            f"history: run {str(names[row])!r} ended {runs.start_s[row] - runs.end_s[row]:.6f} s "
            "before it started: all times must be of one clock"
        )


def _refuse_repeats(rows: Ints, names: Any, count: int) -> None:
    """Raise InvalidResults when a run ended twice."""
    seen = np.bincount(rows, minlength=count)
    if len(rows) and seen.max() > 1:
        row = int(np.flatnonzero(seen[rows] > 1)[0])
        raise InvalidResults(f"history: run {str(names[row])!r} ended twice")
