"""The life of one pod on this node, from its binding to its removal."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from bench.node_agent import status
from bench.node_agent.process import KILLED, NodeProcesses, PodProcess
from bench.node_agent.status import End
from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.errors import Forbidden, NotFound, Refused
from strategies.kubernetes.objects import Pod, PodStatus

REPORT_AGAIN_S = 0.2
DEFAULT_GRACE_S = 30
TOO_LONG = ("DeadlineExceeded", "Pod was active longer than its deadline")


class PodLife:
    """Runs one pod. `follow` tells it what the API server says; `run` lives it."""

    def __init__(
        self,
        api: KubernetesApi,
        pod: Pod,
        processes: NodeProcesses,
        added: Mapping[str, str],
        now: Callable[[], float],
    ) -> None:
        self.pod = pod
        self._api, self._processes, self._added, self._now = api, processes, added, now
        self._process: PodProcess | None = None
        self._leave = asyncio.Event()  # somebody wants the pod to end
        self._why = ""
        self._grace_s: float = pod.spec.termination_grace_period_seconds or DEFAULT_GRACE_S
        self._restarts = 0

    def follow(self, pod: Pod) -> None:
        """Take in a newer version of the pod: a deletion stops it."""
        self.pod = pod
        if pod.metadata.deletion_timestamp is not None:
            grace = pod.metadata.deletion_grace_period_seconds
            self.end("", self._grace_s if grace is None else grace)

    def end(self, why: str, grace_s: float) -> None:
        """Stop the pod within `grace_s`; `why` is the reason that its status gives."""
        if not self._leave.is_set():
            self._why, self._grace_s = why, grace_s
            self._leave.set()

    def vanish(self) -> None:
        """The pod is gone from the API server: nobody waits for its process."""
        self.end("", 0)
        if self._process is not None:
            self._process.kill()

    async def run(self) -> None:
        """Live the pod's life; when this returns there is nothing left to do for it."""
        try:
            if self.pod.status.phase in ("Succeeded", "Failed"):
                await self._leave.wait()
            else:
                await self._report(await self._live())
                await self._leave.wait()
            await self._remove()
        finally:
            if self._process is not None:
                self._process.kill()

    async def stop(self, why: str, grace_s: float) -> None:
        """The node goes down: stop the process and say so once, if it can be said."""
        self.end(why, grace_s)
        if self._process is not None:
            await self._process.wait()

    async def _live(self) -> PodStatus:
        """Run the container, again as its policy says; the pod's last status."""
        spec = self.pod.spec
        born = self._now()
        if (ended := self._before_it_began(born)) is not None:
            return ended
        reporting: asyncio.Task[None] | None = None
        while True:
            started = self._now()
            try:
                self._process = await self._start()
            except OSError as error:
                return status.refused(f"the command cannot be started: {error.strerror}", started)
            shown = status.running(self.pod, started, self._restarts)
            reporting = asyncio.create_task(self._report(shown))
            try:
                end = await self._until_end(born)
            finally:
                await _settled(reporting)
            if end.reason or self._leave.is_set():
                break
            if not status.restarts_after(spec.restart_policy, end.exit_code):
                break
            self._restarts += 1
            if await self._told_to_leave_within(status.backoff_s(self._restarts), born):
                break
            if self._left_s(born) == 0:
                end = End(end.exit_code, *TOO_LONG)
                break
        return status.ended(self.pod, started, self._now(), self._restarts, end)

    def _before_it_began(self, now: float) -> PodStatus | None:
        """What became of a pod that this node cannot or must not start; None where it may.

        It was deleted before the node heard of it, or its process died with a predecessor of the
        node, as in a reboot: then only a restart by its policy is left.
        """
        if unfit := self._unfit():
            return status.refused(unfit, now)
        if self.pod.status.phase == "Running":
            shown = self.pod.status.container_statuses
            self._restarts = shown[0].restart_count if shown else 0
            if not status.restarts_after(self.pod.spec.restart_policy, KILLED):
                return status.ended(self.pod, now, now, self._restarts, End(KILLED))
            self._restarts += 1
        return PodStatus(phase="Failed") if self._leave.is_set() else None

    async def _until_end(self, born: float) -> End:
        """Until the process ends by itself, must leave, or has reached the pod's deadline."""
        assert self._process is not None
        ending = asyncio.ensure_future(self._process.wait())
        leaving = asyncio.ensure_future(self._leave.wait())
        try:
            await asyncio.wait(
                {ending, leaving}, timeout=self._left_s(born), return_when=asyncio.FIRST_COMPLETED
            )
            if ending.done():
                return End(ending.result())
            if leaving.done():
                code = await self._process.stop(self._grace_s)
                return End(code, self._why)
            code = await self._process.stop(self._grace_s)
            return End(code, *TOO_LONG)
        finally:
            ending.cancel()
            leaving.cancel()
            await asyncio.gather(ending, leaving, return_exceptions=True)

    async def _start(self) -> PodProcess:
        container = self.pod.spec.containers[0]
        variables = status.environment(self.pod, container, self._added)
        return await self._processes.start([*container.command, *container.args], variables)

    def _unfit(self) -> str:
        containers = self.pod.spec.containers
        if len(containers) != 1:
            return f"{len(containers)} containers: a node agent runs pods of one"
        return "" if containers[0].command else "no command: a node agent runs no image"

    def _left_s(self, born: float) -> float | None:
        """What is left of the pod's deadline; None where it has none."""
        deadline = self.pod.spec.active_deadline_seconds
        return None if deadline is None else max(0.0, born + deadline - self._now())

    async def _told_to_leave_within(self, seconds: float, born: float) -> bool:
        """Wait before a restart, but not beyond the pod's deadline."""
        left_s = self._left_s(born)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds if left_s is None else min(seconds, left_s)):
                await self._leave.wait()
        return self._leave.is_set()

    async def _report(self, shown: PodStatus) -> None:
        """Tell the API server, until it has heard it or knows no such pod any more."""
        meta = self.pod.metadata
        path = f"/api/v1/namespaces/{meta.namespace}/pods/{meta.name}/status"
        patch = {"metadata": {"uid": meta.uid}, "status": _as_patch(shown)}
        while True:
            try:
                await self._api.merge(path, patch)
            except (ServiceLost, Forbidden):  # it may have restarted and not read its rules yet
                await asyncio.sleep(REPORT_AGAIN_S)
            except Refused:
                self.vanish()
                return
            else:
                return

    async def _remove(self) -> None:
        """The last word on a deleted pod: it may be forgotten."""
        meta = self.pod.metadata
        path = f"/api/v1/namespaces/{meta.namespace}/pods/{meta.name}"
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta.uid}}
        while meta.deletion_timestamp is not None:
            try:
                await self._api.delete(path, options)
            except (ServiceLost, Forbidden):  # it may have restarted and not read its rules yet
                await asyncio.sleep(REPORT_AGAIN_S)
            except (NotFound, Refused):
                return
            else:
                return


async def _settled(reporting: asyncio.Task[None]) -> None:
    """Give a report that is under way up: a newer one follows."""
    reporting.cancel()
    with suppress(asyncio.CancelledError):
        await reporting


def _as_patch(shown: PodStatus) -> object:
    return msgspec.to_builtins(shown)
