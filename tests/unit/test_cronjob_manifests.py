"""Manifests made from jobs: policies translated, and refused by field where they cannot be."""

from typing import Any

import msgspec
import pytest

from strategies.cronjob.designs import DESIGNS, bounds, toleration_s
from strategies.cronjob.manifests import Settings, cron_job, schedule_of
from strategies.errors import ScheduleError
from strategies.interface import NOTHING
from strategies.model import Cron, Every, Job, Timing


def made(job: Job, settings: Settings = Settings()) -> Any:
    return msgspec.json.decode(msgspec.json.encode(cron_job(job, "trial", settings)))


def a_job(**changes: Any) -> Job:
    return Job(
        **{"name": "report", "schedule": Cron("*/5 2-4 * * mon", "Europe/Berlin"), **changes}
    )


def test_a_job_becomes_a_cron_job_with_its_policies() -> None:
    spec = made(a_job(timeout_s=30, retries=3))["spec"]
    assert spec["schedule"] == "*/5 2-4 * * mon"
    assert spec["timeZone"] == "Europe/Berlin"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["suspend"] is False
    assert "startingDeadlineSeconds" not in spec
    assert spec["successfulJobsHistoryLimit"] == 3
    assert spec["failedJobsHistoryLimit"] == 1
    job = spec["jobTemplate"]["spec"]
    assert job["backoffLimit"] == 3
    assert job["activeDeadlineSeconds"] == 30
    assert job["podReplacementPolicy"] == "TerminatingOrFailed"


def test_the_manifest_names_its_version_and_kind() -> None:
    manifest = made(a_job())
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "CronJob")
    assert manifest["metadata"] == {"name": "report", "namespace": "trial"}


def test_overlap_allow_is_concurrency_allow() -> None:
    assert made(a_job(overlap="allow"))["spec"]["concurrencyPolicy"] == "Allow"


def test_a_design_may_replace_instead() -> None:
    assert made(a_job(), Settings(concurrency="Replace"))["spec"]["concurrencyPolicy"] == "Replace"


def test_a_job_has_the_tries_that_it_declares_unless_a_design_says_otherwise() -> None:
    def limit(job: Job, settings: Settings = Settings()) -> int:
        return int(made(job, settings)["spec"]["jobTemplate"]["spec"]["backoffLimit"])

    assert (limit(a_job(retries=0)), limit(a_job(retries=5))) == (0, 5)
    assert limit(a_job(retries=5), Settings(backoff_limit=0)) == 0


@pytest.mark.parametrize("line", ["0 0 */2 * 1", "0 0 1 * */2", "0 0 1,*/5 * mon"])
def test_a_line_that_kubernetes_reads_in_another_way_is_refused(line: str) -> None:
    """A step of all days beside a weekday: both must hold for cron, either for Kubernetes."""
    with pytest.raises(ScheduleError, match=r"spec.schedule of 'report'.*either"):
        cron_job(a_job(schedule=Cron(line)), "trial")


def test_days_and_weekdays_without_steps_of_all_mean_the_same_to_both() -> None:
    for line in ("0 0 1 * 1", "0 0 */2 * *", "0 0 * * 1-5"):
        assert made(a_job(schedule=Cron(line)))["spec"]["schedule"] == line


def test_misfire_skip_is_a_starting_deadline() -> None:
    assert made(a_job(misfire="skip"))["spec"]["startingDeadlineSeconds"] == 10


def test_misfire_run_all_is_refused_because_only_the_latest_is_ever_run() -> None:
    with pytest.raises(ScheduleError, match=r"misfire of 'report'.*expected run-latest or skip"):
        cron_job(a_job(misfire="run-all"), "trial")


@pytest.mark.parametrize(
    ("every", "line"),
    [
        (Every(60_000), "* * * * *"),
        (Every(300_000), "0/5 * * * *"),
        (Every(300_000, 120_000), "2/5 * * * *"),
        (Every(3_600_000), "0/60 * * * *"),
    ],
)
def test_whole_minutes_become_a_cron_line(every: Every, line: str) -> None:
    assert schedule_of(a_job(schedule=every)) == (line, "Etc/UTC")


@pytest.mark.parametrize("every", [Every(1000), Every(60_000, 500), Every(7 * 60_000)])
def test_anything_finer_or_uneven_is_refused(every: Every) -> None:
    with pytest.raises(ScheduleError, match=r"spec.schedule of 'report'"):
        cron_job(a_job(schedule=every), "trial")


@pytest.mark.parametrize(
    "line", ["* * * *", "61 * * * *", "* * * * * *", "0 0 L * *", "0 0 * * 1#2", "x"]
)
def test_a_line_that_kubernetes_does_not_read_is_refused_with_its_field(line: str) -> None:
    with pytest.raises(ScheduleError, match=r"spec.schedule of 'report'"):
        cron_job(a_job(schedule=Cron(line)), "trial")


def test_an_unknown_time_zone_is_refused_with_its_field() -> None:
    with pytest.raises(ScheduleError, match=r"spec.timeZone of 'report'.*Mars/Olympus"):
        cron_job(a_job(schedule=Cron("* * * * *", "Mars/Olympus")), "trial")


@pytest.mark.parametrize("name", ["Report", "a_b", "-a", "a" * 53, "a.b"])
def test_a_name_that_no_job_can_have_is_refused(name: str) -> None:
    with pytest.raises(ScheduleError, match=r"metadata.name"):
        cron_job(a_job(name=name), "trial")


def test_pods_leave_a_lost_node_at_once_with_equal_timing_and_as_upstream_has_it_otherwise() -> (
    None
):
    assert toleration_s(Timing()) == 0
    assert toleration_s(Timing("vendor")) is None
    pod = made(a_job(), Settings(toleration_s=0))["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert [(one["key"], one["tolerationSeconds"]) for one in pod["tolerations"]] == [
        ("node.kubernetes.io/not-ready", 0),
        ("node.kubernetes.io/unreachable", 0),
    ]


def test_pods_stay_on_the_trials_own_nodes_unless_the_cluster_has_its_own() -> None:
    def pod(settings: Settings) -> Any:
        return made(a_job(), settings)["spec"]["jobTemplate"]["spec"]["template"]["spec"]

    assert pod(Settings())["nodeSelector"] == {"coordbench.dev/trial": "trial"}
    assert "nodeSelector" not in pod(Settings(image="pod:1"))
    assert pod(Settings(image="pod:1"))["containers"][0]["image"] == "pod:1"


def test_the_pod_knows_its_fire_by_the_downward_api() -> None:
    pod = made(a_job(start_ms=60_000, end_ms=120_000))
    container = pod["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    env = {one["name"]: one for one in container["env"]}
    label = env["COORDBENCH_KUBERNETES_JOB"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert label == "metadata.labels['batch.kubernetes.io/job-name']"
    assert env["COORDBENCH_START_MS"]["value"] == "60000"
    assert env["COORDBENCH_END_MS"]["value"] == "120000"


def test_health_is_promised_and_a_cut_off_node_is_not() -> None:
    promise = DESIGNS[0].promise
    assert promise.allowed("steady") == NOTHING
    assert promise.allowed("partition").overlaps
    assert promise.recovers
    assert promise.retries


def test_the_bound_has_the_grace_the_toleration_and_the_jobs_own_back_off() -> None:
    assert bounds(Timing(lease_s=2.0)).recovery_s == pytest.approx(2 + 1 + 10 + 1 + 1)
    assert bounds(Timing("vendor")).recovery_s == pytest.approx(40 + 10 + 300 + 10 + 1 + 1)
