"""The adviser on cases and evidence written by hand: what it says, why, and what changes it."""

import math
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_rows import crash, evidence, rate, steady

from bench.adviser import Case, advise, checked, load_case
from bench.adviser.advice import advise_on, candidates, rank, variations
from bench.adviser.case import COSTS
from bench.adviser.estimate import estimate
from bench.adviser.facts import Known
from bench.adviser.load import demand, lease_for
from bench.adviser.points import points
from bench.adviser.record import decision_record
from bench.adviser.scaling import punctual
from bench.adviser.showing import headline, lines, to_json
from bench.errors import BadArguments, InvalidResults
from bench.evidence import Evidence
from strategies.catalogue import design

CASES = Path(str(files("bench.adviser"))) / "cases"
MEASURED = ("redis-lock", "etcd-election", "quartz", "redis-queue", "redis-lock-bare")
TWICE = {"redis-lock": 5, "quartz": 5, "redis-queue": 3, "redis-lock-bare": 12, "etcd-election": 0}


def usual() -> Evidence:
    """Five designs as the quick bench saw them: what was paused, killed, and what it cost."""
    rows = []
    for name in MEASURED:
        undone = 8 if name == "etcd-election" else 0
        rows += [
            steady(name),
            crash(name, 2.0, interrupted_fires=undone),
            rate(name, "pause", TWICE[name]),
            rate(name, "partition", 0),
        ]
    return evidence(*rows)


EVIDENCE = usual()


def case(**more) -> Case:
    """A plain case: Redis is there, five instances, three jobs a minute."""
    given = {"instances": 5, "jobs": 3, "period": "1m", "operated": ["redis"]}
    return checked(given | more)


class Ranked:
    """The ranking alone: what would change it takes fifty more."""

    def __init__(self, options):
        self.options = options
        self.best = options[0]

    def option(self, name: str):
        return next(one for one in self.options if one.design == name)


def answer(asked: Case, known: Evidence) -> Ranked:
    return Ranked(rank(asked, known))


def topics(option) -> dict[str, float]:
    return {point.topic: point.points for point in option.points}


def test_every_design_but_the_controls_is_ranked_once_and_the_best_is_first():
    advice = answer(case(), EVIDENCE)
    assert sorted(one.design for one in advice.options) == sorted(one.name for one in candidates())
    assert [one.rank for one in advice.options] == list(range(1, len(advice.options) + 1))
    usable = [one.score for one in advice.options if not one.excluded]
    assert usable == sorted(usable, reverse=True)


def test_every_point_is_tied_to_a_cell_or_to_a_stated_rule():
    for option in answer(case(), EVIDENCE).options:
        for point in option.points:
            assert point.rule or (point.figure and point.figure.cell), (option.design, point)


def test_a_score_is_a_hundred_and_the_sum_of_its_points():
    for option in answer(case(), EVIDENCE).options:
        assert option.score == pytest.approx(
            100 + sum(one.points for one in option.points), abs=1e-3
        )


def test_what_is_operated_decides_where_little_is_at_stake():
    assert answer(case(team="small"), EVIDENCE).best.design == "redis-lock"
    assert answer(case(team="small", operated=["etcd"]), EVIDENCE).best.design == "etcd-election"


def test_a_ruinous_duplicate_asks_for_a_design_that_begins_a_fire_once():
    cheap = answer(case(operated=["redis", "etcd"]), EVIDENCE)
    dear = answer(case(operated=["redis", "etcd"], duplicate_cost="ruinous"), EVIDENCE)
    assert cheap.best.design != "etcd-election"
    assert dear.best.design == "etcd-election"


def test_a_ruinous_miss_asks_for_a_design_that_runs_it_again():
    advice = answer(case(operated=["redis", "etcd"], missed_cost="ruinous"), EVIDENCE)
    assert advice.best.design in ("redis-lock", "redis-queue")
    assert topics(advice.option("etcd-election"))["missed"] < -40


def test_idempotent_jobs_take_most_of_the_harm_away():
    plain = answer(case(duplicate_cost="high"), EVIDENCE).option("redis-lock")
    stopped = answer(case(duplicate_cost="high", idempotent=True), EVIDENCE).option("redis-lock")
    assert topics(stopped)["duplicates"] == pytest.approx(0.2 * topics(plain)["duplicates"])


def test_a_fence_that_is_checked_helps_only_designs_that_have_one():
    def lost(name, **more):
        found = answer(case(duplicate_cost="high", **more), EVIDENCE).option(name)
        return topics(found)["duplicates"]

    assert lost("redis-lock", fenced=True) > lost("redis-lock")
    assert lost("redis-lock-bare", fenced=True) == lost("redis-lock-bare")


def test_cronjob_is_excluded_below_its_grain_of_a_minute_and_says_so():
    option = answer(case(period="10s", operated=["kubernetes"]), EVIDENCE).option("cronjob")
    assert "shorter than its grain of 60 s" in option.excluded
    assert option.rank > len([one for one in candidates() if not one.grain_s])
    assert not answer(case(period="1m"), EVIDENCE).option("cronjob").excluded


def test_isolation_asks_for_a_pod_per_run():
    advice = answer(case(isolation=True, operated=["kubernetes"]), EVIDENCE)
    assert design(advice.best.design).family == "cronjob"


def test_a_failover_that_is_too_slow_costs_and_one_that_can_be_tuned_says_to_what_lease():
    slow = answer(case(failover="1s"), EVIDENCE).option("redis-lock")
    tuned = answer(case(failover="1m"), EVIDENCE).option("redis-lock")
    assert topics(slow)["failover"] < -10 < topics(tuned)["failover"]
    assert any("lease" in point.why for point in tuned.points if point.topic == "failover")


def test_defaults_that_are_fast_enough_cost_nothing():
    known = evidence(*EVIDENCE.rows, crash("redis-lock", 25.0, timing="vendor"))
    assert topics(answer(case(failover="1m"), known).option("redis-lock"))["failover"] == 0


def test_operations_are_those_of_the_nearest_cell_scaled_for_the_losers():
    """10 operations per fire at 10 fires/s and 20 idle/s are 8 for a fire itself."""
    sized = {"jobs": 10, "period": "1s", "failover": "2.2s", "longest_run": "400ms"}
    lock = demand(Known(design("redis-lock"), EVIDENCE), case(instances=3, **sized))
    assert lock.mean_per_s == pytest.approx(8 * 10 + lock.idle_per_s)
    assert not lock.extrapolated
    ten = demand(Known(design("redis-lock"), EVIDENCE), case(instances=30, **sized))
    assert ten.mean_per_s == pytest.approx(80 * 10 + ten.idle_per_s)
    assert ten.extrapolated
    leader = Known(design("etcd-election"), EVIDENCE)
    led = demand(leader, case(instances=30, jobs=10, period="1s"))
    assert led.mean_per_s == pytest.approx(8 * 10 + led.idle_per_s)


def test_losers_that_wait_ask_as_long_as_the_run_lasts():
    """At a lease of 10 s, a run of 10 s is ten polls where 0.4 s of 2 s were two."""
    waits, leads = (Known(design(name), EVIDENCE) for name in ("redis-lock", "etcd-election"))
    long = case(instances=3, jobs=10, period="10s", failover="11s", longest_run="10s")
    short = msgspec.structs.replace(long, longest_run="1s")
    ratio = (demand(waits, long).mean_per_s - demand(waits, long).idle_per_s) / (
        demand(waits, short).mean_per_s - demand(waits, short).idle_per_s
    )
    assert ratio == pytest.approx((1 + 10) / (1 + 1))
    assert demand(leads, long).mean_per_s == demand(leads, short).mean_per_s
    told, other = (estimate(long, one).assumptions for one in (waits, leads))
    assert "losers ask on while a run lasts, 10s each" in told
    assert not any("losers" in one for one in other)


def test_idle_operations_shrink_with_the_lease_that_is_tolerable():
    known = Known(design("redis-lock"), EVIDENCE)
    assert lease_for(known, case(failover="11s")) == pytest.approx(10)
    short, long = (demand(known, case(failover=one)).idle_per_s for one in ("2.2s", "22s"))
    assert short == pytest.approx(10 * long)


def test_beyond_what_was_measured_is_called_extrapolated_and_names_the_command():
    advice = advise_on(case(instances=500, fires_per_day=4000), EVIDENCE)
    scale = next(one for one in advice.option("redis-lock").points if one.topic == "scale")
    assert scale.extrapolated
    assert scale.missing == (
        "coordbench bench --strategies redis-lock --scenarios steady -n 50 -m 3"
    )
    assert "extrapolated" in "\n".join(lines(advice))


def test_what_no_measurement_covers_is_argued_by_the_promise_and_its_command():
    option = answer(case(duplicate_cost="high"), EVIDENCE).option("postgres-lock")
    point = next(one for one in option.points if one.topic == "duplicates")
    assert point.rule == "promise"
    assert point.missing.startswith("coordbench bench --strategies postgres-lock --scenarios crash")


def test_a_design_that_was_not_measured_is_never_cheaper_than_its_measured_family():
    busy = case(instances=500, fires_per_day=5_000_000, jobs=50_000, period="10m")
    advice = answer(busy, EVIDENCE)
    assert (
        topics(advice.option("postgres-lock"))["scale"]
        <= topics(advice.option("redis-lock"))["scale"]
    )


@pytest.mark.parametrize("wanted", ["1s", "1500ms", "2s", "1m"])
def test_a_failover_that_was_not_measured_is_never_better_than_the_same_one_measured(wanted):
    """A design's own bound says no more in its favour than a trial that took as long."""
    asked = case(operated=["etcd"], failover=wanted, duplicate_cost="none", missed_cost="none")
    bound = Known(design("etcd-election"), Evidence()).bound_s
    seen = evidence(crash("etcd-election", bound / 1.1))
    unseen, tried = (
        topics(answer(asked, known).option("etcd-election"))["failover"]
        for known in (Evidence(), seen)
    )
    assert unseen <= tried


def test_whatever_is_cited_from_a_smaller_cell_is_called_extrapolated():
    """Faults and latencies too: rates at 3 x 10 are not rates at 500 x 3."""
    large = case(instances=500, failover="2m")
    small = case(instances=3, jobs=10, failover="2m")
    for asked, beyond in ((large, True), (small, False)):
        for point in answer(asked, EVIDENCE).option("redis-lock").points:
            if point.figure and " N=" in point.figure.cell:
                assert point.extrapolated is beyond, point
    advice = advise_on(large, EVIDENCE)
    assert (
        "coordbench bench --strategies redis-lock --scenarios crash,pause,partition -n 50 -m 3"
        in advice.missing
    )
    told = "\n".join(lines(advice))
    assert "fires; extrapolated]" in " ".join(told.split())
    late = evidence(steady("redis-lock", trigger_latency_p99_ms=500.0))
    for n, beyond in ((3, False), (4, True)):
        asked = case(instances=n, period="1s")
        [point] = punctual(asked, Known(design("redis-lock"), late))
        assert point.extrapolated is beyond


def test_a_leader_that_would_run_everything_itself_pays_for_it():
    busy = answer(case(jobs=1000, longest_run="30s", operated=["etcd"]), EVIDENCE)
    said = [point.why for point in busy.option("etcd-election").points]
    assert any("one instance runs everything" in one for one in said)


SAAS = {"instances": 500, "jobs": 100_000, "period": "10m", "fires_per_day": 10_000_000,
        "spikes": True, "operated": ["redis", "postgres"]}  # fmt: skip


def fires(option) -> list:
    return [point for point in option.points if point.topic == "fires"]


def test_fires_beyond_what_was_carried_cost_a_serial_point_and_spread_elsewhere():
    """1,157 fires/s pass one lock; over 500 instances they are 2.3 each, and 3.3 were carried."""
    ranked = answer(case(**SAAS), EVIDENCE)
    [point] = fires(ranked.option("quartz"))
    assert point.points == pytest.approx(-4 * math.log2(10e7 / 86_400 / 10))
    assert "its one cluster lock" in point.why
    assert "7,400 to 10,300 fires/s, in batches and without runs" in point.why
    assert point.extrapolated
    assert fires(ranked.option("etcd-election"))[0].points == point.points
    assert not fires(ranked.option("redis-queue"))
    assert not fires(ranked.option("quartz-skip-locked"))
    small = answer(case(), EVIDENCE)
    assert not any(fires(option) for option in small.options)


def test_fires_that_are_too_many_for_every_instance_cost_whatever_spreads_them_too():
    crowded = answer(case(**SAAS | {"instances": 5}), EVIDENCE)
    assert fires(crowded.option("redis-queue"))[0].rule == "spread over instances"


def test_to_have_been_measured_at_larger_sizes_is_no_merit():
    larger = steady("redis-lock", instances=30, jobs=100, ops_per_fire=10.0)
    known = evidence(*EVIDENCE.rows, larger)
    for name in ("redis-lock", "redis-queue"):
        [point] = [
            one for one in answer(case(**SAAS), known).option(name).points if one.topic == "scale"
        ]
        assert point.figure.value == pytest.approx(1000)


def test_what_nothing_measured_comes_near_is_said_of_the_whole_ranking():
    vast = advise_on(case(jobs=10_000_000, operated=["redis", "postgres"]), EVIDENCE)
    said = "Nothing measured carries this: 166,667 fires/s are needed at the peak, 10 were carried"
    assert said in headline(vast)
    assert said in decision_record(vast, date(2026, 5, 4))
    assert said in " ".join(" ".join(lines(vast)).split())
    assert "Nothing measured" not in headline(advise_on(case(), EVIDENCE))


def test_three_hundred_cronjobs_every_minute_take_longer_than_the_minute_to_start():
    busy = answer(case(jobs=300, operated=["kubernetes"]), EVIDENCE).option("cronjob")
    [point] = [one for one in busy.points if one.rule == "pods per second"]
    assert point.points < -30
    assert "300 fires due at one minute take 60 to 75 s to start" in point.why
    assert point.figure.cell.startswith("docs/kubernetes.md")
    few = answer(case(jobs=10, operated=["kubernetes"]), EVIDENCE).option("cronjob")
    assert not [one for one in few.points if one.rule == "pods per second"]


def test_runs_side_by_side_weigh_as_duplicates_by_how_much_of_the_period_they_fill():
    asked = {"period": "24h", "operated": ["kubernetes"], "duplicate_cost": "high"}
    short, long, full = (
        topics(answer(case(**asked, longest_run=run), EVIDENCE).option("cronjob-allow"))["overlaps"]
        for run in ("1s", "6h", "30h")
    )
    assert short == pytest.approx(-5, abs=0.01)
    assert long == pytest.approx(-5 - 25 / 4)
    assert full == pytest.approx(-30)


def test_a_cell_that_saturated_the_machine_is_said_and_its_operations_do_not_count():
    why = "the machine was saturated: 98% of its cores' time was taken under load"
    full = steady("redis-lock", instances=30, jobs=100, status="invalid", note=why)
    known = evidence(*EVIDENCE.rows, full)
    point = next(
        one for one in answer(case(), known).option("redis-lock").points if one.topic == "scale"
    )
    assert f"redis-lock N=30 M=100 is beyond this machine ({why})" in point.why
    alone = answer(case(), evidence(full)).option("redis-lock")
    assert topics(alone)["scale"] == -10
    assert any("beyond this machine" in one.why for one in alone.points)


def test_all_that_would_change_the_answer_is_found_and_is_true():
    advice = advise_on(case(operated=["redis", "etcd"]), EVIDENCE)
    assert any(one.question == "duplicate_cost" for one in advice.changes)
    for change in advice.changes:
        assert change.design != advice.best.design
    for question, other in variations(advice.case):
        if question in advice.unchanged:
            varied = msgspec.structs.replace(advice.case, **other)
            assert rank(varied, EVIDENCE)[0].design == advice.best.design, question


unfenced = [one.name for one in candidates() if one.fence_scope is None and one.family == "lock"]
some_case = st.builds(
    lambda **more: case(**more),
    instances=st.integers(1, 500),
    jobs=st.integers(1, 5000),
    period=st.sampled_from(["1s", "1m", "24h"]),
    failover=st.sampled_from(["2s", "1m"]),
    idempotent=st.booleans(),
    fenced=st.booleans(),
    isolation=st.booleans(),
    operated=st.lists(st.sampled_from(["redis", "postgres", "etcd"]), unique=True),
    team=st.sampled_from(["small", "large"]),
    missed_cost=st.sampled_from(COSTS),
)


@settings(max_examples=15, deadline=None)
@given(asked=some_case)
def test_making_duplicates_costlier_never_raises_an_unfenced_lock(asked):
    places = {name: [] for name in unfenced}
    for cost in COSTS:
        ranked = rank(msgspec.structs.replace(asked, duplicate_cost=cost), EVIDENCE)
        fenced = [one.rank for one in ranked if design(one.design).fence_scope]
        for option in ranked:
            if option.design in places:  # among themselves overlaps, too, cost more
                places[option.design].append(sum(one < option.rank for one in fenced))
    assert all(found == sorted(found) for found in places.values()), places


@settings(max_examples=15, deadline=None)
@given(asked=some_case, name=st.sampled_from(["redis", "postgres", "etcd"]))
def test_operating_a_service_never_lowers_the_designs_that_need_it(asked, name):
    without = tuple(one for one in asked.operated if one != name)
    for one in candidates():
        if name in one.services:
            known = Known(one, EVIDENCE)
            lacking, having = (
                sum(p.points for p in points(msgspec.structs.replace(asked, operated=had), known))
                for had in (without, (*without, name))
            )
            assert having >= lacking, one.name


@settings(max_examples=15, deadline=None)
@given(asked=some_case, hits=st.integers(0, 80), more=st.integers(0, 80))
def test_more_measured_duplicates_never_raise_a_design(asked, hits, more):
    asked = msgspec.structs.replace(asked, duplicate_cost="high")
    scores = []
    for count in (hits, hits + more):
        rows = [one for one in EVIDENCE.rows if (one.strategy, one.scenario) != ("quartz", "pause")]
        known = replace(EVIDENCE, rows=[*rows, rate("quartz", "pause", count)])
        found = rank(asked, known)
        scores.append(next(one.score for one in found if one.design == "quartz"))
    assert scores[1] <= scores[0]


def test_the_same_question_gets_the_same_answer():
    assert to_json(advise_on(case(), EVIDENCE)) == to_json(advise_on(case(), EVIDENCE))


def test_the_text_fits_80_columns_but_for_commands():
    for file in CASES.glob("*.toml"):
        for line in lines(advise_on(load_case(file), EVIDENCE)):
            assert len(line) <= 80 or line.startswith("  coordbench "), line


def test_without_any_results_it_argues_by_rules_alone_and_says_what_to_measure():
    advice = advise_on(case(), Evidence())
    assert advice.missing
    assert all(point.rule or point.figure for point in advice.best.points)


def test_the_json_holds_the_case_every_option_and_its_reasons():
    told = msgspec.json.decode(to_json(advise_on(case(), EVIDENCE)))
    assert told["case"]["instances"] == 5
    assert len(told["options"]) == len(candidates())
    assert told["options"][0]["points"][0]["why"]


def test_close_designs_are_named_as_good():
    advice = advise_on(case(team="large", operated=["redis", "postgres"]), EVIDENCE)
    close = [one for one in advice.options[1:] if advice.best.score - one.score < 3]
    assert close
    assert all(one.design in headline(advice) for one in close)


def test_the_decision_record_has_its_parts_and_cites_what_was_measured():
    advice = advise_on(case(today="redis-lock-bare"), EVIDENCE)
    text = decision_record(advice, date(2026, 11, 21))
    for part in ("Context", "Decision", "Options", "Consequences", "What would change", "Evidence"):
        assert f"## {part}" in text
    assert "Date: 2026-11-21" in text
    assert f"{advice.best.design} crash N=3 M=10 L=2s" in text
    assert "written by hand" in text
    assert "remove redis-lock-bare once a month has passed" in text


def test_the_decision_record_says_what_is_chosen_and_that_nothing_is_operated():
    asked = case(name="jobs\n# of | ours", operated=[], fires_per_day=1000)
    text = decision_record(advise_on(asked, EVIDENCE), date(2026, 11, 21))
    title, chosen = text.splitlines()[0], advise_on(asked, EVIDENCE).best
    assert title == f"# How scheduled jobs of jobs # of | ours run once: {chosen.design}"
    assert f"We use `{chosen.design}`: {chosen.summary}." in text
    assert "| operated | nothing |" in text
    assert "| fires per day | 1000 |" in text


def test_a_broker_that_is_operated_is_answered_and_not_passed_over():
    assert "broker" not in headline(advise_on(case(), EVIDENCE))
    said = headline(advise_on(case(operated=["broker"]), EVIDENCE))
    assert "no design here runs on a broker" in said


def test_for_one_instance_it_says_that_nothing_is_to_be_coordinated():
    assert "needs no coordination" in headline(advise_on(case(instances=1), EVIDENCE))
    assert "needs no coordination" not in headline(advise_on(case(instances=2), EVIDENCE))


def test_a_migration_to_what_is_in_use_is_none():
    advice = answer(case(today="redis-lock"), EVIDENCE)
    assert advice.option("redis-lock").migration == ("nothing to migrate: redis-lock is in use",)
    assert len(advice.option("redis-queue").migration) >= 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"instances": -3}, "instances: -3 given, expected 1 to 100000"),
        ({"instances": "many"}, r"Expected `int`, got `str` - at `\$.instances`"),
        ({"period": "soon"}, "'soon' is no length of time"),
        ({"period": "0s"}, "the shortest period: 0 s given"),
        ({"operated": ["rediss"]}, "unknown service 'rediss': did you mean redis"),
        ({"team": "huge"}, "Invalid enum value 'huge'"),
        ({"replicas": 3}, "no question 'replicas'"),
        ({"today": "quarts"}, "unknown strategy 'quarts': did you mean quartz"),
        ({"fires_per_day": 1e9}, "3 jobs every 1m make 4320 at most"),
        ({"regions": 0}, "regions: 0 given, expected 1 to 100"),
        ({"instances": None}, "instances is not said"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line(wrong, said):
    with pytest.raises(BadArguments, match=said) as caught:
        case(**wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"operated": "postgres"}, "Expected `array`, got `str`"),
        ({"duplicate_cost": "hgh"}, "Invalid enum value 'hgh'"),
        ({"instances": 0}, "instances: 0 given"),
        ({"period": "soon"}, "'soon' is no length of time"),
    ],
)
def test_a_case_written_in_a_notebook_is_checked_too(wrong, said):
    """A struct takes any value; what cannot be used is said before anything is ranked."""
    mine = Case(**({"instances": 3, "jobs": 10, "period": "1m"} | wrong))
    with pytest.raises(BadArguments, match=said):
        advise(mine, EVIDENCE)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BadArguments, match=r"case .*nowhere\.toml: No such file"):
        load_case(tmp_path / "nowhere.toml")
    torn = tmp_path / "torn.toml"
    torn.write_text("instances = ")
    with pytest.raises(BadArguments, match=r"torn\.toml.*docs/adviser\.md shows the form"):
        load_case(torn)


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe instances")
    with pytest.raises(BadArguments, match=r"case .*binary\.toml: no text in UTF-8"):
        load_case(binary)


def test_designs_that_guides_choose_are_known_ones():
    with pytest.raises(BadArguments, match="unknown strategy 'quarts': did you mean quartz"):
        case(guides=["quarts"])


def test_results_that_are_not_there_name_the_command_that_makes_them(tmp_path):
    with pytest.raises(InvalidResults, match="coordbench bench makes one"):
        advise(case(), tmp_path)


WORKED = {
    "start-up": ("redis-lock", "redis-queue"),
    "e-commerce": ("redis-queue", "quartz"),
    "bank": ("quartz",),
    "saas": ("redis-queue",),
    "training": ("cronjob", "cronjob-allow"),
}


@pytest.mark.parametrize("name", WORKED)
def test_a_worked_case_of_the_guides_is_answered_with_measured_reasons(name):
    asked = load_case(CASES / f"{name}.toml")
    advice = answer(asked, EVIDENCE)
    assert advice.best.design in WORKED[name]
    assert asked.guides
    assert asked.guides_say
    measured = [point for point in advice.best.points if point.figure]
    assert measured


def test_the_bank_turns_to_a_queue_without_its_calendars_and_database():
    bank = load_case(CASES / "bank.toml")
    other = msgspec.structs.replace(
        bank, calendars=False, dependencies=False, audit=False, operated=("redis",)
    )
    assert answer(other, EVIDENCE).best.design == "redis-queue"


def test_model_training_turns_away_from_cronjob_when_it_must_run_every_second():
    training = load_case(CASES / "training.toml")
    other = msgspec.structs.replace(training, period="1s")
    assert design(answer(other, EVIDENCE).best.design).family != "cronjob"
