"""The CronJob strategy on the real controllers."""

import asyncio
import random
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.config import InstanceConfig, Work, write_config
from bench.events import Platform, RunEnded, RunStarted, decode
from bench.recorder import epoch_offset, host_clock
from bench.services.kubernetes import access
from bench.services.kubernetes.control_plane import ControlPlane
from bench.services.kubernetes.observer import observing
from strategies.cronjob.designs import DESIGNS, bounds
from strategies.cronjob.manifests import Settings, cron_job
from strategies.cronjob.strategy import CronJobStrategy
from strategies.errors import ScheduleError
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.errors import NotFound, Refused
from strategies.model import Cron, Job, Timing
from strategies.notes import Event, Skipped

pytestmark = pytest.mark.servers

EVERY_MINUTE = Cron("* * * * *")
TIMING = Timing()


@dataclass
class Trial:
    """Three nodes, a namespace, and what is told of them."""

    plane: ControlPlane
    folder: Path
    work: dict[str, Work]
    namespace: str = field(default_factory=lambda: f"cb_{secrets.token_hex(4)}")
    agents: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    told: list[Platform] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    offset_s: float = field(default_factory=epoch_offset)

    @property
    def place(self) -> str:
        return self.namespace.replace("_", "-")

    def clock(self) -> float:
        return host_clock(self.offset_s)()

    def strategy(self, settings: Settings = Settings(toleration_s=0)) -> CronJobStrategy:
        endpoints = {"kubernetes": self.plane.url_for(access.CRONJOB)}
        return CronJobStrategy(endpoints, self.namespace, TIMING, random.Random(0), settings)

    def history(self, kind: type[Event]) -> list[Any]:
        lines = [
            line for path in self.folder.glob("*.jsonl") for line in path.read_bytes().splitlines()
        ]
        return [event for event in map(decode, lines) if isinstance(event, kind)]

    async def until(self, fact: Callable[[], Any], seconds: float = 30) -> Any:
        async with asyncio.timeout(seconds):
            while not (given := fact()):
                await asyncio.sleep(0.02)
            return given

    def tell(self, event: Platform | Skipped) -> None:
        event.t = self.clock()
        if isinstance(event, Skipped):
            self.skipped.append(event)
        else:
            self.told.append(event)

    def times(self, what: str) -> list[float]:
        return [event.t for event in self.told if event.what == what]

    async def start_nodes(self, count: int) -> None:
        for number in range(count):
            name = f"i{number}-{self.place}"
            config = InstanceConfig(
                name=name, strategy="cronjob", source="", namespace=self.namespace, seed=1,
                endpoints={"kubernetes": self.plane.url_for(access.NODE)}, timing=TIMING, jobs=[],
                work=self.work, events=str(self.folder / f"{name}.jsonl"), ledger="",
                offset_s=self.offset_s,
            )  # fmt: skip
            write_config(config, self.folder / f"{name}.json")
            self.agents[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.node_agent", str(self.folder / f"{name}.json"),
                start_new_session=True,
            )  # fmt: skip
        await self.until(lambda: len(self.times("node-ready")) == count)


@asynccontextmanager
async def trial(
    plane: ControlPlane, folder: Path, work: Work, *, long: Work = Work(0), jobs: Sequence[Job] = ()
) -> AsyncIterator[Trial]:
    made = Trial(plane, folder, {"report": work, "long": long})
    observer = plane.url_for(access.OBSERVER)
    async with observing(observer, made.namespace, made.tell, random.Random(0), jobs):
        try:
            yield made
        finally:
            for agent in made.agents.values():
                if agent.returncode is None:
                    agent.kill()
                await agent.wait()
            await made.strategy().clean_up()


async def fire_now(made: Trial, job: Job) -> None:
    """Make a Job from the CronJob as the controller would, without waiting for the minute."""
    manifest = cron_job(job, made.place, Settings(toleration_s=0))
    minute = int(made.clock()) // 60
    batch = f"/apis/batch/v1/namespaces/{made.place}"
    async with KubernetesApi(made.plane.url_for(access.ADMIN), timeout_s=5) as api:
        owner = (await api.get(f"{batch}/cronjobs/{job.name}", dict[str, Any]))["metadata"]["uid"]
        reference = {
            "apiVersion": "batch/v1", "kind": "CronJob", "name": job.name, "uid": owner,
            "controller": True,
        }  # fmt: skip
        meta = {"name": f"{job.name}-{minute}", "ownerReferences": [reference]}
        body = {"metadata": meta, "spec": manifest.spec.job_template.spec}
        made_job = msgspec.json.decode(await api.create(f"{batch}/jobs", body))["metadata"]
        # Its controller counts as active what its own status names, and nothing else.
        active = {"kind": "Job", "apiVersion": "batch/v1", "namespace": made.place}
        active |= {key: made_job[key] for key in ("name", "uid")}
        await api.merge(f"{batch}/cronjobs/{job.name}/status", {"status": {"active": [active]}})


async def exists(plane: ControlPlane, path: str) -> bool:
    async with KubernetesApi(plane.url_for(access.ADMIN), timeout_s=5) as api:
        try:
            await api.get(path, dict[str, object])
        except NotFound:
            return False
        return True


@pytest.mark.parametrize(
    ("job", "settings", "field_name"),
    [
        (Job(name="a", schedule=Cron("61 * * * *")), Settings(), "spec.schedule"),
        (Job(name="a", schedule=Cron("* * * * *", "No/Where")), Settings(), "spec.timeZone"),
        (
            Job(name="a", schedule=EVERY_MINUTE),
            Settings(starting_deadline_s=-1),
            "spec.startingDeadlineSeconds",
        ),
    ],
)
async def test_what_cannot_be_is_refused_by_field_before_anything_exists(
    control_plane: ControlPlane, tmp_path: Path, job: Job, settings: Settings, field_name: str
) -> None:
    made = Trial(control_plane, tmp_path, {})
    good = Job(name="good", schedule=EVERY_MINUTE)
    with pytest.raises((ScheduleError, Refused), match=field_name):
        await made.strategy(settings).prepare([good, job])
    assert not await exists(control_plane, f"/api/v1/namespaces/{made.place}")


async def test_every_job_becomes_a_cron_job_and_all_of_it_can_be_removed(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    made = Trial(control_plane, tmp_path, {})
    strategy = made.strategy(Settings(suspend=True))
    jobs = [Job(name=f"job-{n}", schedule=EVERY_MINUTE) for n in range(30)]
    await strategy.prepare(jobs)
    async with KubernetesApi(control_plane.url_for(access.ADMIN), timeout_s=5) as api:
        listed = await api.list(f"/apis/batch/v1/namespaces/{made.place}/cronjobs")
    assert len(listed.items) == 30
    await strategy.clean_up()
    assert not await exists(control_plane, f"/api/v1/namespaces/{made.place}")
    await strategy.clean_up()  # again, as after an interrupted bench


async def a_fire_of_the_minute_runs_once_and_one_that_forbid_holds_back_is_said_to_be(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """The only scene that waits for a real minute; the pod's fire is held against its Job's.

    Beside it a Job of another CronJob is open over the minute: its next fire waits until then.
    """
    jobs = [Job(name=name, schedule=EVERY_MINUTE) for name in ("report", "long")]
    late_s = 15.0  # what the limited controllers may need for all that is due in the same moment
    over_the_minute = Work(10.0 + late_s)
    async with trial(control_plane, tmp_path, Work(0.2), long=over_the_minute, jobs=jobs) as made:
        await asyncio.sleep(max(0.0, 61 - made.clock() % 60) if made.clock() % 60 > 38 else 0)
        await made.strategy().prepare(jobs)
        await made.start_nodes(2)
        await asyncio.sleep(max(0.0, 50 - made.clock() % 60))
        await fire_now(made, jobs[1])
        await made.until(lambda: len(made.history(RunStarted)) == 3, 3 * late_s)
        by_hand, report, held = sorted(made.history(RunStarted), key=lambda run: run.t)
        assert (by_hand.job, report.job, held.job) == ("long", "report", "long")
        assert report.due_ms == held.due_ms == by_hand.due_ms + 60_000
        assert 0 <= report.t - report.due_ms / 1000 < late_s
        assert [(one.job, one.due_ms, one.reason) for one in made.skipped] == [
            ("long", held.due_ms, "overlap")
        ]
        ended = {one.run: one for one in made.history(RunEnded)}
        assert by_hand.t < made.skipped[0].t < ended[by_hand.run].t < held.t
        assert ended[report.run].status == "succeeded"
        created = [event for event in made.told if event.what == "job-created"]
        assert {event.reason for event in created} == {""}


async def the_run_of_a_killed_node_is_run_again_elsewhere_within_the_bound(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    job = Job(name="report", schedule=EVERY_MINUTE)
    async with trial(control_plane, tmp_path, Work(4.0)) as made:
        await made.strategy(Settings(toleration_s=0, suspend=True)).prepare([job])
        await made.start_nodes(2)
        await fire_now(made, job)
        [first] = await made.until(lambda: made.history(RunStarted))
        made.agents[first.instance].kill()
        struck_s = made.clock()
        await made.until(lambda: len(made.history(RunStarted)) == 2)
        second = max(made.history(RunStarted), key=lambda run: run.t)
        assert second.instance != first.instance
        assert (second.job, second.due_ms) == (first.job, first.due_ms)
        bound_s = bounds(TIMING).recovery_s
        assert bound_s is not None
        assert second.t - struck_s < bound_s
        [lost], [evicted] = made.times("node-not-ready"), made.times("pod-deleted")
        replaced = made.times("pod-created")[-1]
        assert struck_s < lost < evicted < replaced < made.clock()
        await made.until(lambda: made.history(RunEnded))
        assert [run.run for run in made.history(RunEnded)] == [second.run]


async def a_failing_run_is_tried_again(control_plane: ControlPlane, tmp_path: Path) -> None:
    job = Job(name="report", schedule=EVERY_MINUTE)
    async with trial(control_plane, tmp_path, Work(0.1, failure_rate=1.0)) as made:
        await made.strategy(Settings(toleration_s=0, suspend=True)).prepare([job])
        await made.start_nodes(1)
        await fire_now(made, job)
        await made.until(lambda: len(made.history(RunEnded)) == 2)
        ended = made.history(RunEnded)
        assert {run.status for run in ended} == {"failed"}
        assert len({run.run for run in ended}) == 2
        began = sorted(run.t for run in made.history(RunStarted))
        assert 9 < began[1] - began[0] < 13  # the Job controller's first back-off


# What waits for the controllers' own times is looked at by test_cronjob_trials, all at once.
SCENES = (
    a_fire_of_the_minute_runs_once_and_one_that_forbid_holds_back_is_said_to_be,
    the_run_of_a_killed_node_is_run_again_elsewhere_within_the_bound,
    a_failing_run_is_tried_again,
)


def test_the_design_has_no_simulation() -> None:
    with pytest.raises(TypeError, match="no simulation"):
        DESIGNS[0].make({"kubernetes": object()}, "n", TIMING, random.Random(0))  # type: ignore[dict-item]
    assert msgspec.json.encode(cron_job(Job(name="a", schedule=EVERY_MINUTE), "n"))
