"""Every rule on evidence written by hand: what confirms a claim, and what would flip it."""

import pytest
from written_rows import crash, evidence, measured, rate, steady

from bench.claims import capacity, cost, faults, locks, others
from bench.claims.model import later, overall, stated
from bench.claims.rules import RULES, judge_claims
from bench.evidence import Evidence


def verdict(findings, part):
    """The verdict of the part that begins so."""
    return next(one for one in findings if one.part.startswith(part)).verdict


def sizes(strategy, column, values, along="instances"):
    return [steady(strategy, **{along: size, column: value}) for size, value in values]


def test_all_21_claims_have_a_rule_and_those_that_wait_have_a_reason():
    assert [one.number for one in stated()] == list(range(1, 22)) == sorted(RULES)
    assert all(one.why for one in later())


def test_without_any_evidence_every_rule_names_a_command_or_argues_without():
    for judged in judge_claims(Evidence()):
        for finding in judged.findings:
            if finding.verdict == "not measured":
                assert finding.command.startswith("coordbench "), (judged.stated.number, finding)


@pytest.mark.parametrize(
    ("attempts", "wanted"),
    [((3, 10, 30), "confirmed"), ((3, 3, 3), "contradicted"), ((3, 11, 60), "depends")],
)
def test_row_1_a_locks_attempts_are_linear_in_n(attempts, wanted):
    rows = sizes("redis-lock-bare", "attempts_per_fire", zip((3, 10, 30), attempts, strict=True))
    found = cost.attempts(evidence(*rows))
    assert verdict(found, "redis-lock-bare: attempts per tick linear in N") == wanted


@pytest.mark.parametrize(("at_30", "wanted"), [(3.0, "confirmed"), (12.0, "contradicted")])
def test_row_1_a_leaders_operations_are_constant_but_for_the_idle_ones(at_30, wanted):
    """20 idle operations/s at 10 fires/s are 2 per fire: 3 and 3 are 1 and 1, 12 are 10."""
    rows = sizes("etcd-election", "ops_per_fire", [(3, 3.0), (30, at_30)])
    found = cost.attempts(evidence(*rows))
    assert verdict(found, "etcd-election") == wanted


def test_row_1_the_printed_arithmetic_is_contradicted_whatever_is_measured():
    assert verdict(cost.attempts(Evidence()), "the example") == "contradicted"


@pytest.mark.parametrize(("ms", "wanted"), [(8.0, "confirmed"), (5000.0, "contradicted")])
def test_row_2_a_locks_overhead_is_small_beside_an_hour(ms, wanted):
    found = cost.negligible(evidence(steady("redis-lock", fleet_overhead_ms_per_fire=ms)))
    assert verdict(found, "lock negligible") == wanted


@pytest.mark.parametrize(
    ("leaders", "wanted"),
    [((4.0, 5.0), "confirmed"), ((20.0, 90.0), "contradicted"), ((4.0, 90.0), "depends")],
)
def test_row_2_election_wins_where_its_fleet_spends_less(leaders, wanted):
    rows = [
        steady(name, instances=n, fleet_overhead_ms_per_fire=ms)
        for n, ms in zip((3, 10), leaders, strict=True)
        for name in ("etcd-election",)
    ]
    locks_ = [steady("redis-lock", instances=n) for n in (3, 10)]
    assert verdict(cost.negligible(evidence(*rows, *locks_)), "election wins") == wanted


def test_row_3_overhead_is_judged_by_the_order_of_the_designs():
    costs = {"redis-lock": 20.0, "quartz": 10.0, "redis-queue": 5.0, "zookeeper-election": 0.1}
    found = cost.overhead(
        evidence(*(steady(n, fleet_overhead_ms_per_fire=ms) for n, ms in costs.items()))
    )
    assert [one.verdict for one in found[:4]] == ["confirmed"] * 4
    upside_down = {"redis-lock": 1.0, "quartz": 10.0, "redis-queue": 20.0, "zookeeper-election": 30}
    found = cost.overhead(
        evidence(*(steady(n, fleet_overhead_ms_per_fire=ms) for n, ms in upside_down.items()))
    )
    assert verdict(found, "redis-lock") == "contradicted"
    assert verdict(found, "zookeeper-election") == "contradicted"


@pytest.mark.parametrize(
    ("default_s", "equal_s", "wanted"),
    [
        (0.5, 0.4, "confirmed"),
        (9.0, 2.0, "contradicted"),
        (9.0, 0.5, "depends"),
        (None, 2.0, "depends"),  # at our lease only: another lease may do it
    ],
)
def test_row_4_failover_is_judged_at_the_defaults_and_at_the_common_lease(
    default_s, equal_s, wanted
):
    rows = [crash("zookeeper-election", equal_s)]
    if default_s is not None:
        rows.append(crash("zookeeper-election", default_s, timing="vendor"))
    found = faults.failover(evidence(*rows))
    assert verdict(found, "zookeeper-election: 0-1 s") == wanted


def test_row_5_each_end_of_a_range_is_judged_by_the_sizes_beyond_it_there():
    small = steady("redis-lock", instances=3)
    found = capacity.sweet_spots(evidence(small))
    assert verdict(found, "redis-lock: from 5") == "contradicted"
    assert verdict(found, "redis-lock: to 20") == "not measured"
    inside = steady("redis-lock", instances=10)
    found = capacity.sweet_spots(evidence(small, inside))
    assert verdict(found, "redis-lock: to 20") == "depends"
    assert "up to there it is not contradicted" in found[1].on
    assert "at most 1 % late or wrong" in found[1].finding
    late = steady("redis-lock", instances=30, late_fires=80)
    found = capacity.sweet_spots(evidence(small, inside, late))
    assert [one.verdict for one in found[:2]] == ["contradicted", "confirmed"]
    found = capacity.sweet_spots(evidence(small, inside, steady("redis-lock", instances=30)))
    assert [one.verdict for one in found[:2]] == ["contradicted", "contradicted"]


def test_row_5_a_smaller_fleet_that_fails_confirms_the_lower_end():
    rows = steady("redis-lock", instances=3, late_fires=80), steady("redis-lock", instances=10)
    assert verdict(capacity.sweet_spots(evidence(*rows)), "redis-lock: from 5") == "confirmed"


def test_what_has_no_end_is_never_confirmed_but_not_contradicted_up_to_a_size():
    row = steady("zookeeper-election", instances=60, jobs=300)
    fleets = capacity.sweet_spots(evidence(row))
    assert verdict(fleets, "zookeeper-election: without an upper end") == "depends"
    [jobs] = [one for one in capacity.job_counts(evidence(row)) if "unlimited" in one.part][:1]
    assert jobs.verdict == "depends"
    assert jobs.on.startswith("sizes beyond M=300: up to there it is not contradicted")


def test_a_cell_that_saturated_the_machine_is_named_with_its_reason_and_judges_nothing():
    why = "the machine was saturated: 98% of its cores' time was taken under load"
    full = measured("redis-lock", instances=30, jobs=100, status="invalid", note=why)
    known = evidence(*sizes("redis-lock", "attempts_per_fire", [(3, 3), (10, 10)], "instances"),
                     *(steady("etcd-election", instances=n) for n in (3, 10)), full)  # fmt: skip
    said = f"redis-lock N=30 M=100 is beyond this machine ({why})"
    for findings in (cost.attempts, cost.negligible, capacity.sweet_spots, capacity.job_counts):
        assert any(said in one.finding for one in findings(known)), findings
    assert verdict(capacity.sweet_spots(known), "redis-lock: to 20") == "depends"


@pytest.mark.parametrize(
    ("most", "best", "tried", "wanted"),
    [
        (10, 100, 100, "contradicted"),
        (10, 10, 100, "confirmed"),
        (10, 10, 10, "depends"),
        (50, 0, 10, "contradicted"),
        (50, 10, 30, "contradicted"),
        (None, 100, 100, "depends"),
        (None, 10, 100, "contradicted"),
    ],
)
def test_row_6_a_number_of_jobs_is_judged_by_the_most_that_was_carried(most, best, tried, wanted):
    assert capacity.job_verdict(most, best, tried) == wanted


def test_row_6_a_leaders_burst_is_a_bottleneck_when_its_fires_come_late():
    for late, wanted in ((0, "contradicted"), (100, "confirmed")):
        row = measured("etcd-election", "burst", jobs=300, late_fires=late)
        assert verdict(capacity.job_counts(evidence(row)), "a leader's") == wanted


def test_row_7_at_least_once_is_contradicted_by_fires_that_were_never_finished():
    done = crash("quartz", 2.0)
    found = faults.delivery(evidence(done, crash("zookeeper-election", 2.0, interrupted_fires=8)))
    assert verdict(found, "quartz: at least once") == "confirmed"
    assert verdict(found, "zookeeper-election: at least once") == "contradicted"
    said = crash("quartz", 2.0, interrupted_fires=2, interrupted_done_fires=2)
    assert verdict(faults.delivery(evidence(said)), "quartz: at least once") == "confirmed"


def test_row_7_once_and_single_delivery_are_contradicted_by_one_duplicate():
    found = faults.delivery(evidence(measured("quartz"), rate("redis-queue", "pause", 2)))
    assert verdict(found, "quartz: once") == "confirmed"
    assert verdict(found, "a queue") == "contradicted"
    found = faults.delivery(evidence(measured("quartz", duplicate_fires=1)))
    assert verdict(found, "quartz: once") == "contradicted"
    assert verdict(faults.delivery(evidence(rate("redis-queue", "pause", 0))), "a queue") == (
        "confirmed"
    )


@pytest.mark.parametrize(
    ("failed", "fires", "stated_", "wanted"),
    [
        (48, 160, False, "confirmed"),
        (4, 160, False, "contradicted"),
        (4, 160, True, "confirmed"),
        (48, 160, True, "contradicted"),
        (1, 6, True, "not measured"),  # too few to tell 0.03 from 0.3
    ],
)
def test_row_8_a_retry_shows_in_how_many_fires_stay_failed(failed, fires, stated_, wanted):
    assert faults.retry_verdict(failed, fires, stated_) == wanted


def test_row_8_persistence_is_that_nothing_is_lost_while_all_are_down():
    found = faults.features(
        evidence(measured("quartz", "outage"), measured("redis-lock", "outage"))
    )
    assert verdict(found, "quartz: persistence yes") == "confirmed"
    assert verdict(found, "redis-lock: persistence no") == "contradicted"
    found = faults.features(evidence(measured("quartz", "outage", missed_fires=3)))
    assert verdict(found, "quartz: persistence yes") == "contradicted"


def test_row_9_a_lock_is_stuck_where_nobody_takes_over():
    stuck = measured("lock-without-ttl", "crash", missed_fires=12, exposed_fires=100)
    assert verdict(locks.locks(evidence(stuck)), "without TTL") == "confirmed"
    assert "nobody took over" in locks.locks(evidence(stuck))[0].finding
    freed = crash("lock-without-ttl", 3.0, missed_fires=12)
    assert verdict(locks.locks(evidence(freed)), "without TTL") == "contradicted"
    assert "another took over after 3.0 s" in locks.locks(evidence(freed))[0].finding


def test_row_9_the_window_of_check_then_set_is_measured_and_not_assumed():
    def raced(ms):
        return {"window_ms": [ms] * 9, "offsets": [{"offset_ms": 1.0, "rounds": 60, "both": 3}]}

    assert verdict(locks.locks(evidence(check_then_set=raced(0.2))), "check") == "contradicted"
    assert verdict(locks.locks(evidence(check_then_set=raced(10.0))), "check") == "confirmed"


@pytest.mark.parametrize(
    ("twice", "wanted"), [(10, "confirmed"), (0, "contradicted"), (4, "depends")]
)
def test_row_9_a_short_ttl_duplicates_if_every_job_ran_twice(twice, wanted):
    found = locks.locks(evidence(short_ttl={"expires": {"rounds": 10, "twice": twice}}))
    assert verdict(found, "TTL shorter than the job, not renewed") == wanted


def test_row_9_renewal_flips_it():
    found = locks.locks(evidence(measured("redis-lock", "long-job", duplicate_fires=0)))
    assert verdict(found, "TTL shorter than the job, renewed") == "contradicted"


def test_row_10_an_unconditional_set_is_safe_only_if_nothing_ran_twice():
    broken = measured("set-without-nx", duplicate_fires=160, status="declared")
    assert verdict(locks.unconditional(evidence(broken)), "set") == "contradicted"
    assert verdict(locks.unconditional(evidence(measured("set-without-nx"))), "set") == "confirmed"


def test_row_11_the_watchdog_of_an_explicit_lease():
    def found(taken):
        kept = {"rounds": 10, "twice": 0}
        return evidence(
            explicit_lease={"explicit": {"rounds": 10, "twice": taken}, "watchdog": kept}
        )

    assert verdict(locks.watchdog(found(10)), "an explicit") == "contradicted"
    assert verdict(locks.watchdog(found(0)), "an explicit") == "confirmed"


@pytest.mark.parametrize(("locked", "wanted"), [(2, "contradicted"), (295, "confirmed")])
def test_row_12_a_lock_held_throughout_is_found_held(locked, wanted):
    looks = {"samples": 297, "locked": locked, "run_s": 2.0}
    found = others.trigger_lock(evidence(trigger_lock=looks))
    assert verdict(found, "held") == wanted
    assert ("taken per statement" in found[0].finding) == (wanted == "contradicted")


@pytest.mark.parametrize(
    ("ms", "wanted"), [(0.25, "confirmed"), (1.4, "contradicted"), (None, "depends")]
)
def test_row_13_a_lock_is_under_a_millisecond(ms, wanted):
    blocks = [ms] * 7 if ms else [0.5, 1.5, 0.6, 1.4]
    took = {"acquire_ms": blocks, "acquire_p99_ms": [2.0] * 7, "server_us": 5.0}
    assert verdict(locks.lock_latency(evidence(lock_latency=took)), "acquire") == wanted


@pytest.mark.parametrize(("at_100k", "wanted"), [(0.2, "contradicted"), (0.9, "confirmed")])
def test_row_13_beyond_ten_thousand_locks(at_100k, wanted):
    def step(locks_, ms):
        return {"locks": locks_, "p50_ms": [ms] * 7}

    counts = {"redis": [step(1000, 0.2), step(100_000, at_100k)], "etcd": [step(10_000, 1.5)]}
    found = locks.lock_latency(evidence(lock_count=counts))
    assert verdict(found, "Redis beyond") == wanted
    assert verdict(found, "etcd") == "contradicted"


def test_row_14_who_runs_while_its_service_is_away():
    away = {"quartz": {"due": 30, "began": 0}, "redis-lock": {"due": 30, "began": 0}}
    found = faults.cap(evidence(outage_runs=away))
    assert verdict(found, "quartz") == "confirmed"
    assert verdict(found, "redis-lock") == "contradicted"
    running = {"quartz": {"due": 30, "began": 30}, "redis-lock": {"due": 30, "began": 30}}
    found = faults.cap(evidence(outage_runs=running))
    assert (verdict(found, "quartz"), verdict(found, "redis-lock")) == ("contradicted", "confirmed")


@pytest.mark.parametrize(
    ("both", "wanted"), [(10, "confirmed"), (0, "contradicted"), (3, "depends")]
)
def test_row_14_both_sides_of_a_split(both, wanted):
    assert verdict(faults.cap(evidence(split={"rounds": 10, "both": both})), "both") == wanted


def test_row_14_a_minority_that_opens_a_session_does_not_refuse():
    for refused, wanted in ((3, "confirmed"), (2, "contradicted")):
        found = faults.cap(evidence(minority={"asked": 3, "refused": refused}))
        assert verdict(found, "ZooKeeper's") == wanted


def test_row_15_exactly_once_is_on_offer_if_one_design_never_failed():
    bad = [rate("quartz", one, 2) for one in faults.FAULTS]
    good = [rate("redis-lock", one, 0) for one in faults.FAULTS]
    assert verdict(faults.pick_two(evidence(*bad)), "exactly") == "contradicted"
    assert verdict(faults.pick_two(evidence(*bad, *good)), "exactly") == "depends"
    assert verdict(faults.pick_two(evidence(*bad[:2])), "exactly") == "not measured"


@pytest.mark.parametrize(
    ("jobs", "late", "wanted"),
    [(150, 0, "contradicted"), (150, 150, "confirmed"), (10, 0, "not measured")],
)
def test_row_16_ten_million_a_day_without_a_broker(jobs, late, wanted):
    row = steady("redis-lock", jobs=jobs, late_fires=late)
    assert verdict(capacity.brokers(evidence(row)), "10 M") == wanted


def test_row_17_the_two_rules_disagree_and_by_how_much():
    found = others.drain(evidence(drain={"run_s": 0.1, "seconds": {"5": 24.0, "50": 6.0}}))
    assert [one.verdict for one in found] == ["contradicted", "contradicted"]
    assert found[1].figure.value == 4.0
    assert others.drain_verdict(6.0, 6.0) == "confirmed"


@pytest.mark.parametrize(("lines", "wanted"), [(50, "confirmed"), (535, "contradicted")])
def test_row_18_lines_are_within_the_printed_range_or_not(lines, wanted):
    assert others.lines_verdict(lines, 40, 60) == wanted


@pytest.mark.parametrize(
    ("shortest", "wholes", "wanted"),
    [
        (2, [535, 700], "depends"),
        (2, [50, 120], "confirmed"),
        (2, [50, 700], "depends"),
        (400, [535, 700], "contradicted"),
    ],
)
def test_row_18_what_the_lines_leave_out_is_the_way_from_a_listing_to_a_design(
    shortest, wholes, wanted
):
    assert others.left_out(shortest, wholes) == wanted


def test_row_19_what_protects_an_in_flight_job():
    def seen(wrong):
        return {"rounds": 5, "wrong": wrong, "what": "ran twice"}

    tried = {
        "draining": seen(5),
        "renewed": seen(0),
        "killed": seen(5),
        "killed-remembered": seen(0),
    }
    found = locks.deployment(evidence(deployment=tried))
    assert [one.verdict for one in found] == ["contradicted", "confirmed"] * 2


def test_row_20_a_heartbeat_of_two_leases_loses_the_lease():
    def beats(every_s, lapsed):
        return {"every_s": every_s, "beats": 4, "lapsed": lapsed}

    tried = {"lease_s": 1.5, "heartbeats": [beats(3.0, 4), beats(0.2, 0)]}
    found = others.heartbeat(evidence(heartbeat=tried))
    assert [one.verdict for one in found] == ["contradicted", "confirmed"]
    tried["heartbeats"][0]["lapsed"] = 0
    assert others.heartbeat(evidence(heartbeat=tried))[0].verdict == "confirmed"


def test_row_21_the_waits_between_tries():
    def waits(gaps):
        return evidence(backoff={"base_s": 0.3, "max_s": 9.0, "gaps_s": gaps})

    found = others.backoff(waits([0.4, 0.7, 1.3, 2.5, 4.9, 9.1]))
    assert [one.verdict for one in found] == ["confirmed", "contradicted"]
    late = others.backoff(waits([0.5, 1.0, 1.5, 2.5, 4.9, 9.1]))  # a busy machine
    assert late[0].verdict == "confirmed"
    found = others.backoff(waits([0.6, 1.2, 2.4]))
    assert [one.verdict for one in found] == ["contradicted", "confirmed"]
    assert others.backoff(waits([0.1, 0.6, 1.2]))[0].verdict == "contradicted"  # too early


def test_a_claims_verdict_is_that_of_its_parts_or_depends():
    assert overall(["confirmed", "not measured", "confirmed"]) == "confirmed"
    assert overall(["confirmed", "contradicted"]) == "depends"
    assert overall(["not measured", "open"]) == "not measured"
    assert overall([]) == "not measured"
