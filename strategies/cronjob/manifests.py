"""Manifests made from jobs: a job's policies in the words of batch/v1.

What cannot be said in these words is refused with the name of the field, before anything exists.
"""

import re
from dataclasses import dataclass
from typing import Literal

from strategies.errors import ScheduleError
from strategies.kubernetes.objects import (
    TRIAL_LABEL,
    Container,
    EnvVar,
    FieldRef,
    Meta,
    Part,
    PodSpec,
    Toleration,
    ValueFrom,
)
from strategies.model import Cron, Every, Job
from strategies.schedule import check_schedule

LONGEST_NAME = 52  # the controller appends 11 characters, and a Job's name may have 63
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# robfig/cron's standard parser: five fields of lists, ranges and steps, with names for two.
_PART = r"(\*|\?|(\d+|[A-Za-z]{3})(-(\d+|[A-Za-z]{3}))?)(/\d+)?"
FIELD = re.compile(f"{_PART}(,{_PART})*")
SHORTEST_STARTING_DEADLINE_S = 10  # the controller may look only every 10 s
POD_COMMAND = ("coordbench-pod", "run")
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")

Concurrency = Literal["Allow", "Forbid", "Replace"]
PodReplacement = Literal["TerminatingOrFailed", "Failed"]


@dataclass(frozen=True)
class Settings:
    """How a design wants its CronJobs, beside what each job says.

    `concurrency` None follows the job's overlap policy. `toleration_s` None leaves upstream's
    300 s. `starting_deadline_s` None means none, unless the job's misfire policy is `skip`.
    `backoff_limit` None is the job's own number of retries. `image` names what pods run on a
    cluster with nodes of its own.
    """

    toleration_s: int | None = None
    concurrency: Concurrency | None = None
    starting_deadline_s: int | None = None
    pod_replacement: PodReplacement = "TerminatingOrFailed"
    backoff_limit: int | None = None
    suspend: bool = False
    image: str = ""


class PodTemplate(Part):
    """What a Job's pods are made from."""

    metadata: Meta
    spec: PodSpec


class JobSpec(Part):
    """One fire."""

    template: PodTemplate
    backoff_limit: int
    pod_replacement_policy: PodReplacement
    active_deadline_seconds: int | None = None


class JobTemplate(Part):
    """What a CronJob's Jobs are made from."""

    spec: JobSpec


class CronJobSpec(Part):
    """When, and what if."""

    schedule: str
    time_zone: str
    concurrency_policy: Concurrency
    suspend: bool
    successful_jobs_history_limit: int
    failed_jobs_history_limit: int
    job_template: JobTemplate
    starting_deadline_seconds: int | None = None


class CronJob(Part):
    """batch/v1 CronJob."""

    api_version: str
    kind: str
    metadata: Meta
    spec: CronJobSpec


def cron_job(job: Job, namespace: str, settings: Settings = Settings()) -> CronJob:
    """The CronJob of a job. Raises ScheduleError with the field that cannot be."""
    line, zone = schedule_of(job)
    return CronJob(
        api_version="batch/v1",
        kind="CronJob",
        metadata=Meta(name=_name_of(job), namespace=namespace),
        spec=CronJobSpec(
            schedule=line,
            time_zone=zone,
            concurrency_policy=settings.concurrency or _concurrency_of(job),
            suspend=settings.suspend,
            starting_deadline_seconds=_starting_deadline_of(job, settings),
            successful_jobs_history_limit=3,
            failed_jobs_history_limit=1,
            job_template=JobTemplate(spec=_job_spec(job, namespace, settings)),
        ),
    )


def schedule_of(job: Job) -> tuple[str, str]:
    """(cron line, time zone) of the job. Raises ScheduleError naming the field."""
    if isinstance(job.schedule, Every):
        return _line_of(job, job.schedule), "Etc/UTC"
    return _checked_line(job, job.schedule), job.schedule.zone


def _line_of(job: Job, every: Every) -> str:
    minutes, rest = divmod(every.period_ms, 60_000)
    phase, phase_rest = divmod(every.phase_ms, 60_000)
    if rest or phase_rest or not 1 <= minutes <= 60 or 60 % minutes:
        raise ScheduleError(
            f"spec.schedule of {job.name!r}: every {every.period_ms} ms from {every.phase_ms} ms "
            "is no cron line: expected whole minutes that divide the hour, or a cron schedule"
        )
    if minutes == 1:
        return "* * * * *"
    return f"{phase % minutes}/{minutes} * * * *"


def _checked_line(job: Job, cron: Cron) -> str:
    try:
        check_schedule(cron)
    except ScheduleError as error:
        field = "timeZone" if "time zone" in str(error) else "schedule"
        raise ScheduleError(f"spec.{field} of {job.name!r}: {error}") from error
    fields = cron.line.split()
    if len(fields) != 5 or not all(FIELD.fullmatch(field) for field in fields):
        raise ScheduleError(
            f"spec.schedule of {job.name!r}: {cron.line!r} is none of Kubernetes' cron lines: "
            'expected five fields of *, lists, ranges and steps, like "*/5 * * * *"'
        )
    days, weekdays = fields[2], fields[4]
    if "*" not in (days, weekdays) and "*" in days + weekdays:
        # robfig/cron (getRange) takes a step of * for a restriction like any other.
        raise ScheduleError(
            f"spec.schedule of {job.name!r}: {cron.line!r} is both a day and a weekday for cron, "
            "either for Kubernetes: expected one of them, or no step of *"
        )
    return cron.line


def _name_of(job: Job) -> str:
    if len(job.name) > LONGEST_NAME or not LABEL.fullmatch(job.name):
        raise ScheduleError(
            f"metadata.name {job.name!r}: expected at most {LONGEST_NAME} characters of "
            "a-z, 0-9 and '-', beginning and ending with a letter or digit"
        )
    return job.name


def _concurrency_of(job: Job) -> Concurrency:
    return "Forbid" if job.overlap == "forbid" else "Allow"


def _starting_deadline_of(job: Job, settings: Settings) -> int | None:
    if job.misfire == "run-all":
        raise ScheduleError(
            f"misfire of {job.name!r}: a CronJob cannot run all missed fires: "
            "expected run-latest or skip"
        )
    if settings.starting_deadline_s is not None:
        return settings.starting_deadline_s
    return SHORTEST_STARTING_DEADLINE_S if job.misfire == "skip" else None


def _job_spec(job: Job, namespace: str, settings: Settings) -> JobSpec:
    deadline_s = None if job.timeout_s is None else max(1, round(job.timeout_s))
    template = PodTemplate(
        metadata=Meta(labels={TRIAL_LABEL: namespace}),
        spec=PodSpec(
            containers=[_container(job, settings)],
            restart_policy="Never",
            node_selector={} if settings.image else {TRIAL_LABEL: namespace},
            automount_service_account_token=False,
            enable_service_links=False,
            termination_grace_period_seconds=2,
            tolerations=_tolerations(settings),
        ),
    )
    return JobSpec(
        template=template,
        backoff_limit=job.retries if settings.backoff_limit is None else settings.backoff_limit,
        pod_replacement_policy=settings.pod_replacement,
        active_deadline_seconds=deadline_s,
    )


def _container(job: Job, settings: Settings) -> Container:
    known = [
        EnvVar(name="COORDBENCH_JOB", value=job.name),
        _from_pod("COORDBENCH_KUBERNETES_JOB", "metadata.labels['batch.kubernetes.io/job-name']"),
        _from_pod("COORDBENCH_POD", "metadata.name"),
        _from_pod("COORDBENCH_NODE", "spec.nodeName"),
    ]
    if job.start_ms:
        known.append(EnvVar(name="COORDBENCH_START_MS", value=str(job.start_ms)))
    if job.end_ms is not None:
        known.append(EnvVar(name="COORDBENCH_END_MS", value=str(job.end_ms)))
    return Container(
        name="run",
        image=settings.image or "coordbench.invalid/pod:none",  # a node agent looks at no image
        image_pull_policy="IfNotPresent",
        command=list(POD_COMMAND),
        env=known,
    )


def _from_pod(name: str, path: str) -> EnvVar:
    return EnvVar(name=name, value_from=ValueFrom(field_ref=FieldRef(field_path=path)))


def _tolerations(settings: Settings) -> list[Toleration]:
    if settings.toleration_s is None:
        return []
    return [
        Toleration(
            key=taint,
            operator="Exists",
            effect="NoExecute",
            toleration_seconds=settings.toleration_s,
        )
        for taint in TAINTS
    ]
