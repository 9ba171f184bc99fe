"""A stored history's row of the matrix against expectations written by hand, and every status."""

import csv
import io

import msgspec
import pytest
from written_histories import Story, at

from bench.errors import Exit
from bench.events import Counters
from bench.history import to_table
from bench.judge import Judgement, Verdict, judge
from bench.matrix import COLUMNS, NotRun, row, rows, to_csv, to_json, to_markdown, verdict
from bench.record import Cell, TrialRecord
from strategies.interface import ANYTHING, NOTHING, Allowed, Bounds, Breaks
from strategies.notes import Coordinated, ForeignRelease

ASKED_FOR_TEXT = (
    "strategy, scenario, timing, instances, jobs, trials, valid_trials, status, fires, runs, "
    "duplicate_fires, duplicate_rate, duplicate_low, duplicate_high, overlap_fires, "
    "repeated_effects, stale_effects, foreign_releases, missed_fires, missed_rate, missed_low, "
    "missed_high, late_fires, skipped_fires, failed_fires, interrupted_fires, recovered_fires, "
    "faults_hit, exposed_fires, failover_p50_s, failover_max_s, failover_bound_s, recovery_p50_s, "
    "recovery_max_s, recovery_bound_s, broken_promises, overhead_p50_ms, overhead_p99_ms, "
    "ops_per_fire, idle_ops_per_s, trigger_latency_p50_ms, trigger_latency_p99_ms, cpu_ms_per_fire"
)
ASKED_FOR = ASKED_FOR_TEXT.split(", ")

FIELDS = {"strategy": "story", "instances": 3, "jobs": 1}


def steady(**more) -> TrialRecord:
    return TrialRecord(scenario="steady", **(FIELDS | more))


def crash(**more) -> TrialRecord:
    allowed = Allowed(interrupted=True)
    fields = FIELDS | {"allowed": allowed, "bounds": Bounds(2.1, 3.0), "faults": 1} | more
    return TrialRecord(scenario="crash", stress="crash", **fields)


def judged(story: Story, record: TrialRecord) -> Judgement:
    return judge(to_table(story.events), record)


def healthy() -> Story:
    return Story().job().due(10.0, 11.0).run(10.0, 10.01, 10.4).run(11.0, 11.03, 11.4)


def broken() -> Story:
    return healthy().run(11.0, 20.0, 20.4)


def crashed() -> Story:
    """Of 10 to 13: interrupted and run again at 12.4, missed, missed, on time; then all is well."""
    story = Story().job().due(10.0, 11.0, 12.0, 13.0, 20.0).run(10.0, 10.0)
    story.fault(10.2, target="holder", run="i1:1", job="report").died(10.25)
    story.run(10.0, 12.4, 12.8, instance="i2").run(13.0, 13.04, 13.4, instance="i2")
    story.run(20.0, 20.04, 20.4, instance="i2").run(20.0, 30.0, 30.4, instance="i3")
    story.effect(20.0, 20.4).effect(20.0, 30.4, repeated=True, stale=True)
    return story.add(ForeignRelease(t=at(30), instance="i3", subject="report"))


def test_the_columns_are_those_asked_for_in_that_order_and_more_at_the_end():
    assert list(COLUMNS[: len(ASKED_FOR)]) == ASKED_FOR


def test_the_row_of_a_steady_trial_by_hand():
    story = healthy().phases(idle=5.0, load=9.0, quiet=12.0)
    for t, total in [(5.0, 100.0), (9.0, 104.0), (12.0, 110.0)]:
        story.add(Counters(t=at(t), instance="redis", counts={"operations_total": total}))
    won = {"action": "acquire", "outcome": "won", "job": "report", "instance": "i1"}
    for due, seconds in [(10, 0.001), (11, 0.002)]:
        due_ms = round(at(due) * 1000)
        story.add(Coordinated(t=at(due), seconds=seconds, due_ms=due_ms, **won))
    story.phases(healthy=1.0)
    made = msgspec.structs.asdict(row([judged(story, steady())]))
    expected = {
        "strategy": "story", "scenario": "steady", "timing": "equal", "instances": 3, "jobs": 1,
        "trials": 1, "valid_trials": 1, "status": "ok", "fires": 2, "runs": 2,
        "duplicate_fires": 0, "duplicate_rate": 0.0, "duplicate_low": 0.0,
        "duplicate_high": pytest.approx(0.657620),  # 3.8415 / (2 + 3.8415)
        "overlap_fires": 0, "repeated_effects": 0, "stale_effects": 0, "foreign_releases": 0,
        "missed_fires": 0, "missed_rate": 0.0, "missed_low": 0.0,
        "missed_high": pytest.approx(0.657620), "late_fires": 0, "skipped_fires": 0,
        "failed_fires": 0, "interrupted_fires": 0, "recovered_fires": 0, "faults_hit": None,
        "exposed_fires": None, "failover_p50_s": None, "failover_max_s": None,
        "failover_bound_s": None, "recovery_p50_s": None, "recovery_max_s": None,
        "recovery_bound_s": None, "broken_promises": 0,
        "overhead_p50_ms": pytest.approx(1.5), "overhead_p99_ms": pytest.approx(1.99),
        "ops_per_fire": pytest.approx(3.0), "idle_ops_per_s": pytest.approx(1.0),
        "trigger_latency_p50_ms": pytest.approx(20.0, abs=0.01),
        "trigger_latency_p99_ms": pytest.approx(29.8, abs=0.01), "cpu_ms_per_fire": None,
    }  # fmt: skip
    assert {name: made[name] for name in ASKED_FOR} == expected


def test_the_row_of_a_crash_by_hand():
    made = msgspec.structs.asdict(row([judged(crashed(), crash())]))
    expected = {
        "trials": 1, "valid_trials": 1, "status": "broken", "fires": 5, "runs": 5,
        "duplicate_fires": 1, "duplicate_rate": 0.0, "duplicate_low": 0.0,
        "overlap_fires": 0, "repeated_effects": 1, "stale_effects": 1, "foreign_releases": 1,
        "missed_fires": 2, "missed_rate": 0.5, "missed_low": pytest.approx(0.150039, abs=1e-6),
        "missed_high": pytest.approx(0.849961, abs=1e-6), "late_fires": 0, "skipped_fires": 0,
        "failed_fires": 0, "interrupted_fires": 0, "recovered_fires": 1, "faults_hit": 1,
        "exposed_fires": 4, "failover_p50_s": pytest.approx(2.2),
        "failover_max_s": pytest.approx(2.2), "failover_bound_s": pytest.approx(3.1),
        "recovery_p50_s": pytest.approx(2.2), "recovery_max_s": pytest.approx(2.2),
        "recovery_bound_s": pytest.approx(3.0), "broken_promises": 3,
        "overhead_p50_ms": None, "ops_per_fire": None, "cpu_ms_per_fire": None,
        "failover_p50_leases": pytest.approx(1.1),
    }  # fmt: skip
    assert {name: made[name] for name in expected} == expected


def test_counts_add_up_and_faults_are_pooled_over_the_valid_trials():
    trials = [judged(crashed(), crash(k=1)), judged(crashed(), crash(k=2))]
    invalid = judged(crashed(), crash(k=3, problems=("the ledger died",)))
    made = row([*trials, invalid])
    assert (made.trials, made.valid_trials) == (3, 2)
    assert (made.fires, made.faults_hit, made.exposed_fires) == (10, 2, 8)
    assert made.note == "the ledger died"


class TestWhatDoesNotApply:
    def made(self, family: str, fence_scope: str | None):
        return row([judged(crashed(), crash(family=family, fence_scope=fence_scope))])

    def test_without_a_fence_there_is_no_count_of_stale_effects(self):
        assert self.made("lock", None).stale_effects is None
        assert self.made("lock", "job").stale_effects == 1

    def test_without_an_ownable_lock_there_is_no_count_of_foreign_releases(self):
        assert self.made("queue", "fire").foreign_releases is None
        assert self.made("lock", None).foreign_releases == 1

    def test_under_a_fault_there_is_no_trigger_latency(self):
        made = self.made("lock", "job")
        assert (made.trigger_latency_p50_ms, made.trigger_latency_max_ms) == (None, None)

    def test_the_row_says_what_a_fence_orders(self):
        assert self.made("queue", "fire").fence_scope == "fire"


class TestStatus:
    def test_ok_when_every_promise_was_kept(self):
        assert row([judged(healthy(), steady())]).status == "ok"

    def test_broken_when_one_trial_broke_a_promise(self):
        made = row([judged(healthy(), steady(k=1)), judged(broken(), steady(k=2))])
        assert (made.status, made.broken_promises) == ("broken", 1)

    def test_ok_when_the_design_never_promised_it(self):
        assert row([judged(broken(), steady(allowed=ANYTHING))]).status == "ok"

    def test_invalid_without_a_valid_trial_and_then_without_figures(self):
        made = row([judged(healthy(), steady(problems=("too slow",)))])
        assert (made.status, made.fires, made.missed_rate) == ("invalid", None, None)

    def test_unknown_when_a_check_crashed(self):
        crashed = Judgement(steady(), Verdict(status="unknown", error="a check crashed: oh"), None)
        made = row([judged(healthy(), steady(k=2)), crashed])
        assert (made.status, made.note) == ("unknown", "a check crashed: oh")

    def test_not_run_with_its_reason_unless_there_are_trials(self):
        cell = steady().cell
        other = msgspec.structs.replace(cell, strategy="zookeeper-election")
        why = [NotRun(cell, "gone"), NotRun(other, "no Java: install one")]
        made = rows([judged(healthy(), steady())], why)
        assert [one.status for one in made] == ["ok", "not-run"]
        assert made[1].note == "not run: no Java: install one"

    def control(self, story: Story, at_least: float) -> Judgement:
        breaks = (Breaks("steady", "duplicate_rate", at_least, "every fire runs twice"),)
        return judged(story, steady(kind="control", allowed=ANYTHING, breaks=breaks))

    def test_a_control_that_breaks_as_declared(self):
        assert row([self.control(broken(), 0.5)]).status == "declared"

    def test_a_control_that_looks_healthy_is_invalid_and_says_so(self):
        made = row([self.control(healthy(), 0.5)])
        assert made.status == "invalid"
        assert made.note == (
            "the control looks healthy: duplicate_rate is 0.0, expected at least 0.5 "
            "(every fire runs twice)"
        )

    def test_a_control_elsewhere_is_declared_when_it_breaks_and_ok_when_not(self):
        def elsewhere(story: Story) -> Judgement:
            breaks = (Breaks("crash", "missed_fires", 1, "nobody ever unlocks"),)
            return judged(story, steady(kind="control", allowed=ANYTHING, breaks=breaks))

        assert row([elsewhere(healthy())]).status == "ok"
        assert row([elsewhere(broken())]).status == "declared"


class TestWholeMatrix:
    @pytest.mark.parametrize(
        ("statuses", "code"),
        [
            (["ok", "declared", "not-run"], Exit.KEPT),
            (["ok", "broken"], Exit.BROKEN),
            (["broken", "invalid"], Exit.INVALID),
            (["ok", "unknown"], Exit.INVALID),
            (["not-run", "not-run"], Exit.INVALID),
        ],
    )
    def test_its_exit_code_is_the_worst_of_its_rows(self, statuses, code):
        made = rows([judged(healthy(), steady())])[0]
        matrix = [msgspec.structs.replace(made, status=status) for status in statuses]
        found, lines = verdict(matrix)
        assert found == code
        assert len(lines) == sum(status not in ("ok", "declared") for status in statuses)

    def test_what_does_not_apply_is_empty_in_the_csv(self):
        [line] = csv.DictReader(io.StringIO(to_csv(rows([judged(healthy(), steady())]))))
        assert line["failover_p50_s"] == ""
        assert line["missed_fires"] == "0"
        assert line["missed_high"] == "0.65762"

    def test_a_cell_that_was_not_run_has_no_zeros(self):
        why = NotRun(Cell("s", "crash", "equal", 2.0, 3, 10), "no server")
        [line] = csv.DictReader(io.StringIO(to_csv(rows([], [why]))))
        assert line["status"] == "not-run"
        assert {line[name] for name in ASKED_FOR[8:]} == {""}

    def test_json_and_markdown_hold_the_same_rows(self):
        matrix = rows([judged(crashed(), crash())])
        assert msgspec.json.decode(to_json(matrix))[0]["missed_fires"] == 2
        assert "| story | crash | equal | 3 | 1 | 1/1 | broken |" in to_markdown(matrix)
        assert "2 (50.0%, 15.0% to 85.0%)" in to_markdown(matrix)

    def test_rows_are_in_order_of_strategy_scenario_and_size(self):
        trials = [judged(healthy(), steady(instances=n, allowed=NOTHING)) for n in (30, 3, 10)]
        assert [one.instances for one in rows(trials)] == [3, 10, 30]


def test_what_shares_machine_and_server_has_no_figures_of_cost_and_nothing_is_zero_for_them():
    story = healthy().add(
        *(Counters(t=at(t), instance="i1", counts={"cpu_s_total": t}) for t in (1.0, 50.0))
    )
    story.ready("i1").phases(healthy=1.0, idle=2.0, load=5.0, quiet=40.0, done=45.0)
    member = row([judged(story, steady())])
    node = row([judged(story, steady(replica="node", family="cronjob"))])
    assert member.cpu_ms_per_fire
    costs = [
        "overhead_p50_ms", "overhead_p99_ms", "ops_per_fire", "idle_ops_per_s", "cpu_ms_per_fire",
        "attempts_per_fire", "fleet_overhead_ms_per_fire", "stale_effects", "foreign_releases",
    ]  # fmt: skip
    assert {name: getattr(node, name) for name in costs} == dict.fromkeys(costs)
    assert (node.trigger_latency_p50_ms, node.missed_fires) == (member.trigger_latency_p50_ms, 0)


def test_the_fires_that_a_lasting_loss_holds_up_are_exposed_to_it():
    story = Story(until=200.0).job(period_s=60.0).due(60.0, 120.0)
    story.run(60.0, 60.1).fault(61.0, target="holder", run="i1:1", job="report").died(61.01)
    story.run(60.0, 73.0, 76.0, instance="i2")
    passing, lasting = (row([judged(story, crash(lasting=one))]) for one in (False, True))
    assert (passing.missed_fires, passing.exposed_fires) == (1, 1)
    assert (lasting.missed_fires, lasting.exposed_fires) == (1, 2)
    assert lasting.missed_rate == 0.5
