"""Planning in minutes: when load begins, how long it lasts, what fits a platform's tick."""

import pytest

from bench import grain
from bench.plan import Plan
from bench.settings import Size, plan, settings_from
from strategies.cronjob.manifests import cron_job
from strategies.model import Cron, Every, Job
from strategies.schedule import fires_between


def planned(scenario: str, **asked: float) -> Plan:
    settings = settings_from("quick", strategies=["cronjob"], scenarios=[scenario], **asked)
    return plan(settings, "cronjob", scenario, Size(3, 4), 1)


@pytest.mark.parametrize("now_s", [0.0, 49.9, 55.9, 56.0, 56.1, 59.9, 3_601.0])
def test_load_begins_just_before_the_first_tick_that_can_be_had(now_s: float) -> None:
    start_s = grain.start_s(now_s, 60.0)
    assert (start_s + grain.LEAD_S) % 60 == 0
    assert 0 <= start_s - now_s < 60


def test_the_default_jobs_of_a_platform_have_its_three_retries() -> None:
    """CronJobs are run with backoffLimit 3; what is declared is what is made."""
    jobs = planned("steady").workload.jobs
    assert {job.retries for job in jobs} == {3}
    assert {cron_job(job, "n").spec.job_template.spec.backoff_limit for job in jobs} == {3}


def test_runs_in_pods_hold_no_memory_to_be_squeezed() -> None:
    assert "memory" in (planned("memory-squeeze").why_not or "")
    assert planned("cpu-squeeze").why_not is None


def test_a_load_ends_soon_after_a_due_time() -> None:
    assert grain.load_s(150.0, 60.0) == grain.LEAD_S + 120 + grain.TAIL_S
    assert grain.load_s(10.0, 60.0) == grain.LEAD_S + grain.TAIL_S


def due_times_s(trial: Plan) -> list[float]:
    start_s = grain.start_s(1_800_000_010.0, 60.0)
    end_ms = round((start_s + trial.load_s) * 1000)
    [job, *_] = trial.workload.within(round(start_s * 1000), end_ms)
    return [fire.due_s - start_s for fire in fires_between(job, job.start_ms - 1, end_ms)]


@pytest.mark.parametrize(("scenario", "count"), [("steady", 3), ("crash", 2)])
def test_a_trial_of_a_platform_has_whole_minutes_of_load(scenario: str, count: int) -> None:
    due_s = due_times_s(planned(scenario))
    assert due_s == [grain.LEAD_S + 60 * number for number in range(count)]


@pytest.mark.parametrize("scenario", ["steady", "crash"])
def test_its_last_fires_can_still_be_judged_missed(scenario: str) -> None:
    """A fire is late until half a period has gone; the quiet phase must outlast that."""
    trial = planned(scenario)
    assert trial.load_s + trial.quiet_s > due_times_s(trial)[-1] + 60 / 2


def test_a_fault_is_planned_before_the_first_due_time_and_waits_for_its_target() -> None:
    [fault] = planned("crash").scenario.faults
    assert fault.after_s + fault.jitter_s < grain.LEAD_S


def test_two_trials_of_each_scenario_of_the_quick_profile_take_at_most_five_minutes() -> None:
    assert max(planned(name).expected_s for name in ("steady", "crash")) < 270


def test_a_pause_lasts_until_the_platform_can_have_failed_over() -> None:
    trial = planned("pause")
    [fault] = trial.scenario.faults
    failover_s = trial.bounds.failover_s
    assert fault.healing is not None
    assert failover_s is not None
    assert fault.healing.latest_s(2.0, 60.0, failover_s) >= failover_s > 6.0


def test_a_long_job_of_a_platform_outlasts_its_period() -> None:
    assert planned("long-job").workload.longest_run_s == 90.0
    assert planned("steady").workload.longest_run_s == grain.RUN_S


def test_a_schedule_between_the_ticks_is_named() -> None:
    fits = Job(name="fits", schedule=Every(120_000, 60_000))
    phased = Job(name="phased", schedule=Every(60_000, 500))
    assert grain.misfit([fits, Job(name="cron", schedule=Cron("* * * * *"))], 60.0) is None
    assert "phased is due every 60 s from 0.5 s" in (grain.misfit([fits, phased], 60.0) or "")
    assert grain.misfit([phased], 0.0) is None


def test_the_clock_of_a_node_is_not_stepped() -> None:
    assert planned("clock-skew").why_not == "the clock of a node decides nothing in cronjob"
