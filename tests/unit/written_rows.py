"""Rows of a matrix written by hand, as evidence for claims and advice."""

from bench.evidence import Evidence
from bench.matrix import Row


def measured(strategy: str, scenario: str = "steady", **more) -> Row:
    """A valid row: 3 x 10 at a lease of 2 s, 160 fires, nothing wrong."""
    usual = {
        "timing": "equal", "instances": 3, "jobs": 10, "trials": 2, "valid_trials": 2,
        "status": "ok", "fires": 160, "runs": 160, "lease_s": 2.0, "period_s": 1.0,
        "kind": "reference", "duplicate_fires": 0, "missed_fires": 0, "late_fires": 0,
        "interrupted_fires": 0,
    }  # fmt: skip
    return Row(strategy=strategy, scenario=scenario, **(usual | more))


def steady(strategy: str, **more) -> Row:
    """A steady row with figures of cost."""
    costs = {
        "overhead_p50_ms": 2.0, "overhead_p99_ms": 6.0, "fleet_overhead_ms_per_fire": 8.0,
        "attempts_per_fire": 3.0, "ops_per_fire": 10.0, "idle_ops_per_s": 20.0,
        "cpu_ms_per_fire": 4.0, "trigger_latency_p50_ms": 2.0, "trigger_latency_p99_ms": 9.0,
    }  # fmt: skip
    return measured(strategy, "steady", **(costs | more))


def crash(strategy: str, seconds: float, **more) -> Row:
    """A row of `crash` whose failover took about `seconds`."""
    times = {
        "failover_p50_s": seconds, "failover_max_s": 1.1 * seconds, "failover_low_s": seconds,
        "failover_high_s": 1.1 * seconds, "exposed_fires": 100, "faults_hit": 2,
    }  # fmt: skip
    return measured(strategy, "crash", **(times | more))


def rate(strategy: str, scenario: str, duplicates: int, exposed: int = 160, **more) -> Row:
    """A row under a fault with so many duplicates of the exposed fires."""
    from bench.stats import wilson

    low, high = wilson(duplicates, exposed) or (0.0, 1.0)
    shares = {"duplicate_rate": duplicates / exposed, "duplicate_low": low, "duplicate_high": high}
    given = {"duplicate_fires": duplicates, "exposed_fires": exposed, **shares}
    return measured(strategy, scenario, **(given | more))


def evidence(*rows: Row, **experiments) -> Evidence:
    """Evidence of these rows and experiments (an underscore stands for a hyphen)."""
    named = {name.replace("_", "-"): found for name, found in experiments.items()}
    return Evidence(list(rows), {}, named, ("written by hand",))
