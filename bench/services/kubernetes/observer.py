"""The timeline of a trial on Kubernetes: what its nodes, Jobs and pods went through, and when.

The API's own times are whole seconds, so each change is stamped when its watch tells it, on the
host's clock; the delay of a watch on loopback is a few milliseconds. The observer only looks. What
the CronJob controller leaves out by policy is told too, as skipped fires (`held`).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

import msgspec

from bench.errors import BenchError
from bench.events import Platform
from bench.services.kubernetes.held import HELD, ClusterEvent, HeldFires
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.follow import Follower
from strategies.kubernetes.objects import TRIAL_LABEL, Condition, Meta, Node, Part, Pod
from strategies.model import Job
from strategies.notes import Skipped

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
JOB_NAME = "batch.kubernetes.io/job-name"
CALL_S = 5.0

T = TypeVar("T")
Tell = Callable[[Platform | Skipped], None]


class _JobStatus(Part):
    conditions: list[Condition] = msgspec.field(default_factory=list)


class _Job(Part):
    metadata: Meta
    status: _JobStatus = msgspec.field(default_factory=_JobStatus)


class Timeline:
    """Turns objects as they change into events, each fact told once: a pure state machine.

    `doubts` are Jobs whose pods may have reported another fire than theirs.
    """

    def __init__(self, tell: Tell, jobs: Sequence[Job] = ()) -> None:
        self._tell = tell
        self.held = HeldFires(jobs, tell)
        self.doubts: list[str] = []
        self._told: set[tuple[str, str]] = set()
        self._ready: dict[str, bool] = {}

    def node(self, node: Node, *, gone: bool) -> None:
        """A node became ready, or not ready, or is off the list."""
        name = node.metadata.name
        if gone:
            self._once(name, Platform(what="node-gone", subject=name, instance=name))
            return
        condition = next((one for one in node.status.conditions if one.type == "Ready"), None)
        ready = condition is not None and condition.status == "True"
        if self._ready.get(name) == ready:
            return
        self._ready[name] = ready
        what, reason = ("node-ready", "") if ready else ("node-not-ready", "no condition")
        if condition is not None and not ready:
            reason = condition.reason
        self._tell(Platform(what=what, subject=name, instance=name, reason=reason))

    def job(self, job: _Job, *, gone: bool) -> None:
        """A Job was made, completed, failed, or removed."""
        name, key = job.metadata.name, job.metadata.uid
        fire, due_ms = fire_of(name)
        if gone:
            self._once(key, Platform(what="job-gone", subject=name, job=fire, due_ms=due_ms))
            return
        said = scheduled_ms(job.metadata)
        # The pods know their fire from the Job's name; here it is held against the annotation.
        reason = "" if said in (None, due_ms) else f"its annotation says {said}"
        if reason:
            self.doubts.append(f"{name}: {reason}")
        made = Platform(what="job-created", subject=name, job=fire, due_ms=due_ms, reason=reason)
        self._once(key, made)
        self.held.started(fire, due_ms)
        for condition in job.status.conditions:
            if condition.type in ("Complete", "Failed") and condition.status == "True":
                what = f"job-{condition.type.lower()}"
                ended = Platform(what=what, subject=name, job=fire, due_ms=due_ms)
                ended.reason = condition.reason
                self._once(key, ended)

    def pod(self, pod: Pod, *, gone: bool) -> None:
        """A pod was made, bound, started, deleted, ended, or removed."""
        facts = ["created"]
        if pod.spec.node_name:
            facts.append("bound")
        if pod.status.phase != "Pending":
            facts.append(pod.status.phase.lower())
        if pod.metadata.deletion_timestamp is not None:
            facts.append("deleted")
        if gone:
            facts.append("gone")
        fire, due_ms = fire_of(pod.metadata.labels.get(JOB_NAME, ""))
        for fact in facts:
            event = Platform(
                what=f"pod-{fact}", subject=pod.metadata.name, instance=pod.spec.node_name,
                job=fire, due_ms=due_ms, reason=pod.status.reason if fact != "created" else "",
            )  # fmt: skip
            self._once(pod.metadata.uid, event)

    def _once(self, key: str, event: Platform) -> None:
        if (key, event.what) not in self._told:
            self._told.add((key, event.what))
            self._tell(event)


def fire_of(kubernetes_job: str) -> tuple[str, int | None]:
    """(job, due_ms) from the name that the CronJob controller gives a Job: NAME-MINUTES."""
    name, _, minutes = kubernetes_job.rpartition("-")
    return (name, int(minutes) * 60_000) if minutes.isdigit() else (kubernetes_job, None)


def scheduled_ms(meta: Meta) -> int | None:
    """The due time that a Job's annotation gives; None for a Job that no CronJob made."""
    text = meta.annotations.get(SCHEDULED)
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


@asynccontextmanager
async def observing(
    url: str, namespace: str, tell: Tell, rng: random.Random, jobs: Sequence[Job] = ()
) -> AsyncIterator[None]:
    """Tell what happens to the trial in `namespace`; `url` must have the right to look.

    With the trial's `jobs` it also tells which of their fires the controller left out. Raises
    BenchError at the end where it could not see everything, or saw what cannot be believed.
    """
    place = namespace.replace("_", "-").lower()
    timeline = Timeline(tell, jobs)
    async with KubernetesApi(url, timeout_s=CALL_S) as api:

        async def follow(
            path: str, query: dict[str, str | int], kind: type[T], take: Callable[..., None]
        ) -> None:
            async for change in Follower(api, path, query, rng).changes():
                take(msgspec.json.decode(change.raw, type=kind), gone=change.what == "gone")

        def left_out(event: ClusterEvent, *, gone: bool) -> None:
            if not gone:
                timeline.held.event(event)

        ours: dict[str, str | int] = {"labelSelector": f"{TRIAL_LABEL}={place}"}
        within = f"namespaces/{place}"
        said: dict[str, str | int] = {"fieldSelector": f"involvedObject.kind=CronJob,reason={HELD}"}
        looks = [
            asyncio.create_task(follow("/api/v1/nodes", ours, Node, timeline.node)),
            asyncio.create_task(follow(f"/api/v1/{within}/pods", {}, Pod, timeline.pod)),
            asyncio.create_task(follow(f"/apis/batch/v1/{within}/jobs", {}, _Job, timeline.job)),
            asyncio.create_task(follow(f"/api/v1/{within}/events", said, ClusterEvent, left_out)),
        ]
        try:
            yield
        finally:
            for look in looks:
                look.cancel()
            ends = await asyncio.gather(*looks, return_exceptions=True)
        errors = [f"{type(one).__name__}: {one}" for one in ends if isinstance(one, Exception)]
        if wrong := errors + timeline.doubts:
            raise BenchError(f"the observer of {place}: {wrong[0]}")
