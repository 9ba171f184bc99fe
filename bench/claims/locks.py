"""Rules for what a lock is said to do: rows 9, 10, 11, 13 and 19 of the claims."""

from statistics import median

from bench.claims.model import Finding, Verdict, not_measured
from bench.claims.words import (
    experiment_words,
    exposed,
    judge_band,
    of_share,
    of_values,
    run_only,
    values_of,
)
from bench.evidence import Evidence, bench_command, cell_words

OFTEN = 0.05  # of the pairs that came so far apart
RACE_MS = (5.0, 20.0)  # "about 10 ms"
SLOWER = 1.5  # a store that is this much slower with many locks no longer carries them


def locks(evidence: Evidence) -> list[Finding]:
    """Row 9: without a TTL, with a short one, and checked before it is set."""
    return [_stuck(evidence), _short(evidence), _renewed(evidence), _race(evidence)]


def _stuck(evidence: Evidence) -> Finding:
    part, row = "without TTL: stuck for ever", evidence.nearest("lock-without-ttl", "crash")
    if row is None:
        return not_measured(part, "coordbench bench --scenarios crash --controls")
    missed = row.missed_fires or 0
    stuck = missed > 0 and row.failover_p50_s is None
    if row.failover_p50_s is not None:
        said = f"another took over after {row.failover_p50_s:.1f} s: {missed} fires missed"
    else:
        said = f"nobody took over after the kill: {missed} fires missed until the trial ended"
    return Finding(
        part=part,
        verdict="confirmed" if stuck else "contradicted",
        finding=said,
        figure=of_share(missed, exposed(row), cell_words(row), "% of exposed fires missed"),
        command="coordbench trial lock-without-ttl crash",
    )


def _short(evidence: Evidence) -> Finding:
    return _twice(
        evidence,
        "short-ttl",
        "expires",
        "TTL shorter than the job, not renewed: duplicates",
        confirmed=True,
    )


def _renewed(evidence: Evidence) -> Finding:
    part, row = "TTL shorter than the job, renewed", evidence.nearest("redis-lock", "long-job")
    if row is None:
        return _twice(evidence, "explicit-lease", "watchdog", part, confirmed=True)
    twice, fires = row.duplicate_fires or 0, row.fires or 0
    return Finding(
        part=part,
        verdict="confirmed" if twice else "contradicted",
        finding=f"runs of one and a half leases: {twice} of {fires} fires ran twice",
        figure=of_share(twice, fires, cell_words(row), "% run twice"),
        on="renewal",
        command=bench_command("redis-lock", "long-job"),
    )


def _twice(
    evidence: Evidence, name: str, key: str, part: str, *, confirmed: bool, on: str = "renewal"
) -> Finding:
    found = (evidence.experiment(name) or {}).get(key)
    if found is None:
        return not_measured(part, run_only(name))
    twice, rounds = int(found["twice"]), int(found["rounds"])
    return Finding(
        part=part,
        verdict=share_verdict(twice, rounds, confirmed=confirmed),
        finding=f"{twice} of {rounds} jobs ran on two replicas",
        figure=of_share(twice, rounds, experiment_words(name), "% run twice"),
        on=on,
        command=run_only(name),
    )


def share_verdict(hits: int, of: int, *, confirmed: bool) -> Verdict:
    """All hits or none decide, for or against; a mixture depends."""
    if 0 < hits < of:
        return "depends"
    return "confirmed" if (hits == of) == confirmed else "contradicted"


def _race(evidence: Evidence) -> Finding:
    part, name = "check-then-set: a window of about 10 ms", "check-then-set"
    found = evidence.experiment(name)
    window = of_values(
        values_of(found, "window_ms"), "ms from check to set", experiment_words(name)
    )
    if found is None or window is None:
        return not_measured(part, run_only(name))
    both = [one for one in found["offsets"] if one["both"] >= OFTEN * one["rounds"]]
    widest = max((one["offset_ms"] for one in both), default=0)
    return Finding(
        part=part,
        verdict="confirmed" if RACE_MS[0] <= window.value <= RACE_MS[1] else "contradicted",
        finding=f"the window is one round trip, {window} here; two that came up to "
        f"{widest:g} ms apart both took the lock",
        figure=window,
        on="the network's round trip",
        command=run_only(name),
    )


def unconditional(evidence: Evidence) -> list[Finding]:
    """Row 10: a set that always succeeds."""
    part, row = "set with expiry, unconditionally", evidence.nearest("set-without-nx", "steady")
    if row is None:
        return [not_measured(part, "coordbench trial set-without-nx steady")]
    twice, fires = row.duplicate_fires or 0, row.fires or 0
    return [
        Finding(
            part=part,
            verdict="contradicted" if twice else "confirmed",
            finding=f"{twice} of {fires} fires ran more than once, {row.runs} runs in all",
            figure=of_share(twice, fires, cell_words(row), "% run more than once"),
            command="coordbench trial set-without-nx steady",
        )
    ]


def watchdog(evidence: Evidence) -> list[Finding]:
    """Row 11: with an explicit lease nobody renews."""
    part, found = "an explicit lease, and a longer job", evidence.experiment("explicit-lease")
    if found is None:
        return [not_measured(part, run_only("explicit-lease"))]
    taken, rounds = int(found["explicit"]["twice"]), int(found["explicit"]["rounds"])
    kept = found["watchdog"]
    return [
        Finding(
            part=part,
            verdict=share_verdict(taken, rounds, confirmed=False),
            finding=f"{taken} of {rounds} jobs ran on two replicas with the lease given, "
            f"{kept['twice']} of {kept['rounds']} with it left to the watchdog",
            figure=of_share(taken, rounds, experiment_words("explicit-lease"), "% run twice"),
            command=run_only("explicit-lease"),
        )
    ]


def lock_latency(evidence: Evidence) -> list[Finding]:
    """Row 13: how long a Redis lock takes, and with how many others."""
    return [_latency(evidence), *(_many(evidence, store) for store in ("redis", "etcd"))]


def _latency(evidence: Evidence) -> Finding:
    part, found = "acquire under 1 ms", evidence.experiment("lock-latency")
    figure = of_values(
        values_of(found, "acquire_ms"), "ms per acquire, p50", experiment_words("lock-latency")
    )
    if found is None or figure is None:
        return not_measured(part, run_only("lock-latency"))
    p99 = median(values_of(found, "acquire_p99_ms"))
    return Finding(
        part=part,
        verdict=judge_band(figure, (0.0, 1.0)),
        finding=f"{figure}; p99 {p99:.2f} ms; the server itself takes {found['server_us']:.0f} us",
        figure=figure,
        on="the client and the network: this is loopback",
        command=run_only("lock-latency"),
    )


def _many(evidence: Evidence, store: str) -> Finding:
    found = evidence.experiment("lock-count")
    part = "Redis beyond 10,000 locks" if store == "redis" else "etcd at as many"
    if found is None or not found.get(store):
        return not_measured(part, run_only("lock-count"))
    first, last = found[store][0], found[store][-1]
    ratios = [after / median(first["p50_ms"]) for after in last["p50_ms"]]
    cell = experiment_words("lock-count")
    figure = of_values(ratios, f"x from {first['locks']:,} to {last['locks']:,} locks", cell)
    assert figure is not None  # a step of the experiment has blocks
    times = f"{median(first['p50_ms']):.2f} ms at {first['locks']:,} locks, "
    times += f"{median(last['p50_ms']):.2f} ms at {last['locks']:,}"
    slow = (figure.low or figure.value) > SLOWER
    if store == "etcd":
        redis = median(found["redis"][-1]["p50_ms"])
        slow = median(last["p50_ms"]) < redis
    return Finding(
        part=part,
        verdict="confirmed" if slow else "contradicted",
        finding=f"acquire p50 {times}",
        figure=figure,
        command=run_only("lock-count"),
    )


def deployment(evidence: Evidence) -> list[Finding]:
    """Row 19: a deployment in the middle of a job, under a TTL shorter than it."""
    name = "deployment"
    on = "renewal and memory, not the length of the TTL"
    said = "the old instance finishes its job"
    found = [
        _unprotected(evidence, "draining", f"{said}, the TTL is not renewed", on),
        _unprotected(evidence, "renewed", f"{said}, the TTL is renewed", on),
        _unprotected(evidence, "killed", "killed amid its job, nothing remembered", on),
        _unprotected(evidence, "killed-remembered", "killed amid its job, fires remembered", on),
    ]
    return found if evidence.experiment(name) else found[:1]


def _unprotected(evidence: Evidence, key: str, part: str, on: str) -> Finding:
    found = (evidence.experiment("deployment") or {}).get(key)
    if found is None:
        return not_measured(part, run_only("deployment"))
    wrong, rounds, what = int(found["wrong"]), int(found["rounds"]), str(found["what"])
    return Finding(
        part=part,
        verdict=share_verdict(wrong, rounds, confirmed=False),
        finding=f"{wrong} of {rounds} in-flight jobs {what}",
        figure=of_share(wrong, rounds, experiment_words("deployment"), f"% {what}"),
        on=on,
        command=run_only("deployment"),
    )
