"""The trials that the claims need beside a usual bench: a few cells of fault scenarios."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import msgspec

from bench.history import read_parquet
from bench.results import Results
from bench.scenarios import scenario
from bench.settings import Settings, check_settings, profile

CALLS_S = 1.0  # an answer that was on its way when the service died
PROFILE = files("bench.claims").joinpath("trials.toml")


def claim_settings() -> Settings:
    """trials.toml, complete and checked."""
    with as_file(PROFILE) as path:
        return check_settings(msgspec.structs.replace(profile(str(path)), profile="claims"))


def outage_runs(results: Results) -> dict[str, Any]:
    """Per strategy: fires due and runs begun while its service was away (row 14).

    From the kept `service-outage` trials: from a second after the service died, so that calls on
    their way do not count, until its new start began. The fault ends later, when it answers again.
    """
    found: dict[str, Any] = {}
    for place, judgement in results.kept():
        record, metrics = judgement.record, judgement.metrics
        if record.scenario != "service-outage" or metrics is None or not metrics.faults:
            continue
        if judgement.verdict.status not in ("ok", "broken"):
            continue
        fault = metrics.faults[0]
        away_s = _away_s(record.timing.lease_s, record.period_s or 1.0)
        counted = _between(place, fault.t + CALLS_S, min(fault.t + away_s, fault.heal_s))
        one = found.setdefault(record.strategy, {"due": 0, "began": 0})
        for key, count in counted.items():
            one[key] += count
    return found


def _away_s(lease_s: float, period_s: float) -> float:
    healing = scenario("service-outage").faults[0].healing
    return healing.earliest_s(lease_s, period_s) if healing else 0.0


def _between(place: Path, since_s: float, until_s: float) -> dict[str, int]:
    from bench.checks.reading import columns

    history = columns(read_parquet(place / "history.parquet"))
    due_s, start_s = history.due.ms / 1000, history.runs.start_s
    return {
        "due": int(((due_s >= since_s) & (due_s < until_s)).sum()),
        "began": int(((start_s >= since_s) & (start_s < until_s)).sum()),
    }
