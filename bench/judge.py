"""From a history to a verdict: a kept trial, or one file that somebody else's scheduler wrote.

A check that crashes makes the verdict `unknown`, never a pass. A history that cannot be read at
all raises InvalidResults.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench.applying import applying
from bench.checks.columns import Columns, Fault
from bench.checks.outcomes import Judged, Outcome, judge_fires
from bench.checks.promises import (
    Broken,
    Scope,
    broken_bounds,
    broken_promises,
    could_take_over,
    fire_ids,
    should_have_recovered,
)
from bench.checks.reading import columns as read_columns
from bench.checks.validity import invalid_reasons
from bench.errors import Exit, InvalidResults, told
from bench.failover import FaultMetrics
from bench.history import read_history, read_parquet
from bench.metrics import Metrics, measure
from bench.record import RESULTS_VERSION, TrialRecord
from strategies.interface import Allowed

Status = Literal["ok", "broken", "invalid", "unknown"]
SHOWN = 5  # fires named in a summary, of those that stand in the verdict

_UNREMARKABLE = (Outcome.ON_TIME, Outcome.PENDING)


class Verdict(msgspec.Struct, kw_only=True):
    """verdict.json: what the checks say of a trial.

    `reasons` say why it is invalid; `broken` which promises were broken and by which fires; `fires`
    lists, for every outcome and flag worth a look, the fires that have it.
    """

    version: int = RESULTS_VERSION
    status: Status
    reasons: list[str] = []
    broken: list[Broken] = []
    fires: dict[str, list[str]] = {}
    warnings: list[str] = []
    error: str = ""


@dataclass(frozen=True)
class Judgement:
    """A verdict and the trial's figures (None where judging crashed)."""

    record: TrialRecord
    verdict: Verdict
    metrics: Metrics | None

    @property
    def exit_code(self) -> Exit:
        """The exit code that this one verdict calls for."""
        if self.verdict.status == "ok":
            return Exit.KEPT
        return Exit.BROKEN if self.verdict.status == "broken" else Exit.INVALID


def judge(table: Any, record: TrialRecord, warnings: Sequence[str] = ()) -> Judgement:
    """Judge a history's table by what `record` says of the trial."""
    try:
        columns = read_columns(table)
        judged = judge_fires(columns, record.bounds.failover_s or 0.0)
        metrics = measure(columns, judged, record.bounds, lasting=record.lasting)
        verdict = _verdict(columns, judged, metrics, record)
    except InvalidResults:
        raise
    except Exception as error:
        said = f"a check crashed: {told(error)}"
        return Judgement(
            record, Verdict(status="unknown", error=said, warnings=list(warnings)), None
        )
    verdict.warnings = list(warnings)
    valid = verdict.status in ("ok", "broken")
    return Judgement(record, verdict, applying(metrics, record, valid=valid))


def judge_file(path: Path) -> Judgement:
    """Judge one JSON-lines history by the strictest promise: every fire once, however late."""
    table = read_history(path)
    try:
        header = read_columns(table).header
    except InvalidResults as error:
        raise InvalidResults(f"{path}: {str(error).removeprefix('history: ')}") from error
    record = TrialRecord(
        strategy=header.strategy or path.stem,
        scenario=header.scenario,
        instances=header.instances,
        allowed=Allowed(late=True, early=True),
    )
    return judge(table, record)


def judge_trial(directory: Path) -> Judgement:
    """Judge a kept trial again, from its history.parquet and trial.json."""
    record = read_json(directory / "trial.json", TrialRecord)
    warnings: list[str] = []
    if (directory / "verdict.json").exists():
        warnings = read_json(directory / "verdict.json", Verdict).warnings
    return judge(read_parquet(directory / "history.parquet"), record, warnings)


def judge_path(path: Path) -> Judgement:
    """Judge a trial's directory or one JSON-lines file, whichever `path` is."""
    if (path / "trial.json").is_file():
        return judge_trial(path)
    if path.is_file():
        return judge_file(path)
    raise InvalidResults(
        f"{path}: neither a JSON-lines history nor a trial's directory (with trial.json)"
    )


def summary(judgement: Judgement) -> list[str]:
    """A judgement in a few lines for a terminal, the verdict first."""
    return list(_summary(judgement))


def read_json(path: Path, kind: type[Any]) -> Any:
    """Read one of the result files as `kind`; raises InvalidResults, also for another version."""
    try:
        content = path.read_bytes()
        version = msgspec.json.decode(content, type=_Versioned).version
        if version not in (None, RESULTS_VERSION):
            raise InvalidResults(
                f"{path}: results format {version}, this coordbench reads {RESULTS_VERSION}: "
                "use the version that wrote it"
            )
        return msgspec.json.decode(content, type=kind)
    except OSError as error:
        raise InvalidResults(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise InvalidResults(f"{path}: {error}") from error


class _Versioned(msgspec.Struct):
    version: int | None = None


def _verdict(columns: Columns, judged: Judged, metrics: Metrics, record: TrialRecord) -> Verdict:
    coordinates = bool(record.services) and record.replica == "member"
    found = invalid_reasons(columns, judged.fires, record.faults, coordinates=coordinates)
    reasons = [*record.problems, *found]
    broken = broken_promises(columns, judged, record.allowed, _scope(record))
    measured = _measured(columns, metrics, record)
    broken += broken_bounds(record.stress, measured, _bounds(metrics))
    status: Status = "invalid" if reasons else "broken" if broken else "ok"
    which = {
        outcome.word: judged.fires.planned & (judged.outcome == outcome)
        for outcome in Outcome
        if outcome not in _UNREMARKABLE
    }
    which |= judged.flags()
    fires = {word: fire_ids(columns, judged, rows) for word, rows in which.items() if rows.any()}
    return Verdict(status=status, reasons=reasons, broken=broken, fires=fires)


def _scope(record: TrialRecord) -> Scope:
    bounds = record.bounds
    return Scope(
        stress=record.stress,
        steady=record.allowed_steady,
        bound_s=max(bounds.failover_s or 0.0, bounds.recovery_s or 0.0),
        fence_scope=None if record.kind == "control" else record.fence_scope,
        lasting=record.lasting,
    )


def _measured(
    columns: Columns, metrics: Metrics, record: TrialRecord
) -> list[tuple[str, float | None, str]]:
    """What followed each fault in time or late; None for what should have and did not."""
    measured: list[tuple[str, float | None, str]] = []
    for followed, fault in zip(metrics.faults, columns.faults, strict=True):
        subject = f"fault {followed.id} on {followed.instance}"
        absent = _absent(columns, followed, fault, record)
        if followed.failover_s is not None or "failover" in absent:
            measured.append(("failover", followed.failover_s, subject))
        if followed.recovery_s is not None or "recovery" in absent:
            measured.append(("recovery", followed.recovery_s, subject))
    return measured


def _absent(
    columns: Columns, followed: FaultMetrics, fault: Fault, record: TrialRecord
) -> list[str]:
    """What did not follow a fault that hit, although the design bounds it; controls do not."""
    if not followed.hit or record.kind == "control":
        return []
    absent, bounds = [], record.bounds
    if followed.failover_s is None and followed.affected_jobs and bounds.failover_s is not None:
        absent += ["failover"] * could_take_over(columns, fault, bounds.failover_s)
    if followed.recovery_s is None and bounds.recovery_s is not None:
        absent += ["recovery"] * should_have_recovered(columns, fault, bounds.recovery_s)
    return absent


def _bounds(metrics: Metrics) -> dict[str, float | None]:
    return {"failover": metrics.failover_bound_s, "recovery": metrics.recovery_bound_s}


def _summary(judgement: Judgement) -> Iterator[str]:
    verdict, metrics = judgement.verdict, judgement.metrics
    yield f"{judgement.record.strategy}: {verdict.status.upper()}"
    for warning in verdict.warnings:
        yield f"  warning: {warning}"
    if metrics is None:
        yield f"  {verdict.error}"
        return
    yield f"  {metrics.fires} fires, {metrics.runs} runs: {_words(metrics.counts)}"
    latency = metrics.trigger_latency_ms
    if latency.p50 is not None:
        yield f"  start after due time: p50 {latency.p50:.0f} ms, max {latency.max:.0f} ms"
    for reason in verdict.reasons:
        yield f"  invalid: {reason}"
    for broken in verdict.broken:
        shown = ", ".join(broken.fires[:SHOWN]) + (", ..." if broken.count > SHOWN else "")
        yield f"  broken promise, {broken.promise}: {broken.count} ({shown})"
    for fault in metrics.faults:
        yield "  " + _fault_line(fault.kind, fault.instance, fault.failover_s, fault.recovery_s)


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing"


def _fault_line(
    kind: str, instance: str, failover_s: float | None, recovery_s: float | None
) -> str:
    failover = "nobody took over" if failover_s is None else f"failover {failover_s:.2f} s"
    recovery = "" if recovery_s is None else f", recovery {recovery_s:.2f} s"
    return f"{kind} of {instance or 'no instance'}: {failover}{recovery}"
