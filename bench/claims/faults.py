"""Rules for what happens when something breaks: rows 4, 7, 8, 14 and 15 of the claims."""

from collections.abc import Mapping
from typing import Any

from bench.claims.model import Finding, Verdict, not_measured, overall
from bench.claims.words import cells, experiment_words, exposed, known, of_share, run_only
from bench.evidence import Evidence, Figure, bench_command, cell_words
from bench.matrix import Row
from bench.stats import wilson

# Row 4: design -> (least, most) seconds of failover as printed; None for no bound above.
FAILOVER: Mapping[str, tuple[float, float]] = {
    "redis-lock": (0, 30),
    "zookeeper-election": (0, 1),
    "etcd-election": (0, 2),
    "lease-election": (2, 5),
    "quartz": (10, 30),
    "redis-queue": (0, 0.5),
    "cronjob": (10, 60),
}
ELECTIONS = ("zookeeper-election", "etcd-election", "lease-election")
ELECTION_S = (5, 30)  # what the same guides say of any election

FIVE = ("redis-lock", "zookeeper-election", "quartz", "redis-queue", "cronjob")
FAULTS = ("crash", "pause", "partition")
# Row 8: (retry, persistence) as printed.
FEATURES = {
    "redis-lock-bare": (False, False),
    "zookeeper-election-memory": (False, False),
    "quartz": (True, True),
    "redis-queue": (True, True),
    "cronjob": (True, True),
}
GIVES_UP = 0.15  # between 0.3 (one try) and 0.3 ** 3 (three): which side the rate is on
STOPS = ("quartz", "zookeeper-election", "etcd-election")
RUNS_ON = ("redis-lock", "redis-queue", "cronjob")


def failover(evidence: Evidence) -> list[Finding]:
    """Row 4: each design's failover at its defaults and at the common lease."""
    found = [_failover_of(evidence, name, limits) for name, limits in FAILOVER.items()]
    return [*found, *(_election(evidence, name) for name in ELECTIONS[:2])]


def _election(evidence: Evidence, name: str) -> Finding:
    one = _failover_of(evidence, name, ELECTION_S)
    return Finding(**{
        field: getattr(one, field) for field in one.__struct_fields__ if field != "part"
    } | {"part": f"{name}: as any election {ELECTION_S[0]}-{ELECTION_S[1]} s"})  # fmt: skip


def _failover_of(evidence: Evidence, name: str, limits: tuple[float, float]) -> Finding:
    part = f"{name}: {limits[0]:g}-{limits[1]:g} s"
    rows = [row for row in evidence.rows_of(name, "crash", None) if row.failover_p50_s is not None]
    command = bench_command(name, "crash", timing="vendor")
    if not rows:
        return not_measured(part, bench_command(name, "crash"))
    default = next((row for row in rows if row.timing == "vendor"), None)
    shown = default or rows[0]
    verdict = overall([within(row, limits) for row in rows])
    if default is None and verdict == "contradicted":
        verdict = "depends"  # another lease may do it: the defaults are what is claimed
    seconds = evidence.figure(shown, "failover_p50_s", "s")
    said = "; ".join(_failover_words(row) for row in rows)
    return Finding(
        part=part,
        verdict=verdict,
        finding=said + ("" if default else "; its defaults are not measured yet"),
        figure=seconds,
        on="the lease that somebody chose" if verdict == "depends" else "",
        command=command,
        evidence=cells(rows),
    )


def within(row: Row, limits: tuple[float, float]) -> Verdict:
    """Whether every failover of a cell lies in the printed range."""
    least = row.failover_low_s if row.failover_low_s is not None else row.failover_p50_s or 0.0
    most = row.failover_max_s or 0.0
    if limits[0] <= least and most <= limits[1]:
        return "confirmed"
    if most < limits[0] or least > limits[1]:
        return "contradicted"
    return "depends"


def _failover_words(row: Row) -> str:
    lease = f"lease {row.lease_s:g} s" if row.timing == "equal" else f"{row.timing} timing"
    return f"{lease}: {row.failover_p50_s:.1f} s, at most {row.failover_max_s:.1f} s"


def delivery(evidence: Evidence) -> list[Finding]:
    """Row 7: once in an ideal network, at least once under faults, single delivery."""
    return [
        *(_once(evidence, name) for name in FIVE),
        *(_at_least_once(evidence, name) for name in FIVE),
        _single_delivery(evidence),
    ]


def _once(evidence: Evidence, name: str) -> Finding:
    part, rows = f"{name}: once in an ideal network", evidence.rows_of(name)
    if not rows:
        return not_measured(part, bench_command(name))
    fires = sum(row.fires or 0 for row in rows)
    wrong = sum((row.duplicate_fires or 0) + (row.missed_fires or 0) for row in rows)
    figure = of_share(wrong, fires, f"{name} steady, all sizes", "% run twice or never")
    return Finding(
        part=part,
        verdict="contradicted" if wrong else "confirmed",
        finding=f"{wrong} of {fires} fires ran twice or never where nothing broke",
        figure=figure,
        command=bench_command(name),
        evidence=cells(rows),
    )


def _at_least_once(evidence: Evidence, name: str) -> Finding:
    part, rows = f"{name}: at least once", known(evidence, [name], "crash")
    if not rows:
        return not_measured(part, bench_command(name, "crash"))
    undone = sum((row.missed_fires or 0) + not_done(row) for row in rows)
    fires = sum(exposed(row) for row in rows)
    return Finding(
        part=part,
        verdict="contradicted" if undone else "confirmed",
        finding=f"{undone} of {fires} exposed fires were never finished after a kill"
        + (": begun is begun, so at most once" if undone and name in ELECTIONS else ""),
        figure=of_share(undone, fires, f"{name} crash, all sizes", "% never finished"),
        command=bench_command(name, "crash"),
        evidence=cells(rows),
    )


def not_done(row: Row) -> int:
    """Interrupted fires whose effect is not on the ledger either."""
    return (row.interrupted_fires or 0) - (row.interrupted_done_fires or 0)


def _single_delivery(evidence: Evidence) -> Finding:
    part = "a queue guarantees single delivery"
    rows = [row for scenario in FAULTS for row in evidence.rows_of("redis-queue", scenario)]
    if not rows:
        return not_measured(part, bench_command("redis-queue", "pause"))
    twice = sum(row.duplicate_fires or 0 for row in rows)
    fires = sum(exposed(row) for row in rows)
    return Finding(
        part=part,
        verdict="contradicted" if twice else "confirmed",
        finding=f"{twice} of {fires} fires near a fault were delivered and run twice",
        figure=of_share(twice, fires, "redis-queue crash, pause, partition", "% run twice"),
        command=bench_command("redis-queue", "pause"),
        evidence=cells(rows),
    )


def features(evidence: Evidence) -> list[Finding]:
    """Row 8: who tries a failed run again, and who finds what was due while all were down."""
    found = []
    for name, (retries, persists) in FEATURES.items():
        found += [_retry(evidence, name, retries), _persistence(evidence, name, persists)]
    return [*found, _persistence(evidence, "redis-lock", False)]


def _retry(evidence: Evidence, name: str, stated: bool) -> Finding:
    part = f"{name}: retry {_yes(stated)}"
    row = evidence.nearest(name, "failing-job")
    if row is None:
        return not_measured(part, bench_command(name, "failing-job"))
    failed, fires = row.failed_fires or 0, row.fires or 0
    verdict = retry_verdict(failed, fires, stated)
    return Finding(
        part=part,
        verdict=verdict,
        finding=f"three runs of ten fail: {failed} of {fires} fires stayed failed",
        figure=of_share(failed, fires, cell_words(row), "% stayed failed"),
        command=bench_command(name, "failing-job"),
    )


def retry_verdict(failed: int, fires: int, stated: bool) -> Verdict:
    """Whether the share of fires that stay failed is that of one try (0.3) or of several."""
    bounds = wilson(failed, fires)
    if bounds is None or bounds[0] <= GIVES_UP <= bounds[1]:
        return "not measured"
    return "confirmed" if (bounds[1] < GIVES_UP) == stated else "contradicted"


_PERSISTS_IF = {
    "redis-lock": "whether the lock's service remembers the last fire",
    "redis-lock-bare": "whether the lock's service remembers the last fire",
    "cronjob": "whether what Forbid leaves out, while a Job waits for a node, is lost",
}


def _persistence(evidence: Evidence, name: str, stated: bool) -> Finding:
    part = f"{name}: persistence {_yes(stated)}"
    row = evidence.nearest(name, "outage")
    if row is None:
        return not_measured(part, bench_command(name, "outage"))
    lost = (row.missed_fires or 0) + not_done(row)
    fires = exposed(row)
    return Finding(
        part=part,
        verdict="confirmed" if (lost == 0) == stated else "contradicted",
        finding=f"all instances down over four periods: {lost} of {fires} fires lost, "
        f"{row.skipped_fires} passed over by the jobs' own misfire policy",
        figure=of_share(lost, fires, cell_words(row), "% lost"),
        on=_PERSISTS_IF.get(name, ""),
        command=bench_command(name, "outage"),
    )


def cap(evidence: Evidence) -> list[Finding]:
    """Row 14: who runs while its service is away, and what the sides of a split do."""
    away = evidence.experiment("outage-runs")
    stops = [_while_down(away, name, runs=False) for name in STOPS]
    runs = [_while_down(away, name, runs=True) for name in RUNS_ON]
    return [*stops, *runs, _split(evidence), _minority(evidence)]


def _while_down(away: Mapping[str, Any] | None, name: str, *, runs: bool) -> Finding:
    part = f"{name}: {'runs on' if runs else 'nothing runs'} while its service is away"
    one = (away or {}).get(name)
    command = bench_command(name, "service-outage")
    if one is None:
        return not_measured(part, command)
    began, due = int(one["began"]), int(one["due"])
    ran = began > 0.5 * due
    return Finding(
        part=part,
        verdict="confirmed" if ran == runs else "contradicted",
        finding=f"{began} runs began of {due} fires due while the service was away",
        figure=of_share(min(began, due), due, f"{name} service-outage", "% of due fires begun"),
        command=command,
        evidence=(f"{name} service-outage",),
    )


def _split(evidence: Evidence) -> Finding:
    part = "both sides of a Redis split acquire"
    found = evidence.experiment("split")
    if found is None:
        return not_measured(part, run_only("split"))
    both, rounds = int(found["both"]), int(found["rounds"])
    return Finding(
        part=part,
        verdict="confirmed" if both == rounds else "contradicted" if not both else "depends",
        finding=f"in {both} of {rounds} rounds the old primary and the promoted replica granted "
        "the same lock",
        figure=of_share(both, rounds, experiment_words("split"), "% granted twice"),
        on="whether the replica had heard of the lock",
        command=run_only("split"),
    )


def _minority(evidence: Evidence) -> Finding:
    part = "ZooKeeper's minority refuses"
    found = evidence.experiment("minority")
    if found is None:
        return not_measured(part, run_only("minority"))
    refused, asked = int(found["refused"]), int(found["asked"])
    return Finding(
        part=part,
        verdict="confirmed" if refused == asked else "contradicted",
        finding=f"one of three servers, alone, refused {refused} of {asked} sessions",
        figure=of_share(refused, asked, experiment_words("minority"), "% refused"),
        command=run_only("minority"),
    )


def pick_two(evidence: Evidence) -> list[Finding]:
    """Row 15: whether any design gives exactly-once, so that it could be picked."""
    names = sorted({row.strategy for row in evidence.rows if row.kind in ("reference", "variant")})
    wrong: dict[str, int] = {}
    used: list[Row] = []
    for name in names:
        rows = [row for scenario in FAULTS for row in evidence.rows_of(name, scenario)]
        if {row.scenario for row in rows} == set(FAULTS):
            wrong[name] = sum(_not_once(row) for row in rows)
            used += rows
    if not wrong:
        return [not_measured("exactly-once is on offer", bench_command("redis-lock", "pause"))]
    clean = [name for name, count in wrong.items() if not count]
    least = min(wrong.values())
    return [
        Finding(
            part="exactly-once is on offer",
            verdict="depends" if clean else "contradicted",
            finding=f"of {len(wrong)} designs under crash, pause and partition {len(clean)} ran "
            f"every fire exactly once (least wrong: {least} fires); simplicity has no unit",
            figure=Figure(
                value=len(clean),
                unit=f"of {len(wrong)} designs",
                cell="all designs, crash pause partition",
            ),
            on=f"the faults: {', '.join(clean)} showed none in these trials" if clean else "",
            command=bench_command(sorted(wrong), "crash,pause,partition"),
            evidence=cells(used),
        )
    ]


def _not_once(row: Row) -> int:
    return (row.duplicate_fires or 0) + (row.missed_fires or 0) + not_done(row)


def _yes(stated: bool) -> str:
    return "yes" if stated else "no"
