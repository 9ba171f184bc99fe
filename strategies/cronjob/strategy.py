"""CronJob as a strategy: what is made before a trial, and removed after it.

During a trial there is nothing to do: the instances are nodes (`bench.node_agent`, or the
cluster's own), and the platform decides.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import replace

from strategies.cronjob.manifests import CronJob, Settings, cron_job
from strategies.errors import ServiceLost, StrategyError
from strategies.interface import Endpoints, Member
from strategies.kubernetes.api import NOTHING, KubernetesApi, Query
from strategies.kubernetes.endpoint import parse
from strategies.kubernetes.errors import Busy, Conflict, Forbidden, NotFound, Refused
from strategies.kubernetes.objects import TRIAL_LABEL
from strategies.kubernetes.tenancy import admit, namespace_of
from strategies.model import Job, Timing

CALL_S = 10.0
ATTEMPTS, FIRST_WAIT_S = 6, 0.1
GONE_S, LOOK_S = 300.0, 0.2  # of 500 CronJobs with their Jobs and pods: some minutes
AT_ONCE = 20


class CronJobStrategy:
    """One CronJob per job in a namespace of its own."""

    def __init__(
        self,
        endpoints: Endpoints,
        namespace: str,
        timing: Timing,
        rng: random.Random,
        settings: Settings,
    ) -> None:
        url = endpoints["kubernetes"]
        assert isinstance(url, str)
        self.namespace = namespace.replace("_", "-").lower()
        self.counts: dict[str, float] = {}
        self._url, self._rng, self._settings = url, rng, settings

    @property
    def uses_node_agents(self) -> bool:
        """Whether the instances are node agents; else the cluster has nodes of its own."""
        return not parse(self._url).image

    async def prepare(self, jobs: Sequence[Job]) -> None:
        """Create the namespace and the CronJobs, or nothing if one of them is refused.

        Raises ScheduleError or Refused with the field's name, ServiceLost after some attempts.
        """
        manifests = [cron_job(job, self.namespace, self._settings) for job in jobs]
        async with KubernetesApi(self._url, timeout_s=CALL_S) as api:
            try:
                await self._create_all(api, manifests, dry_run=True)
                await self._create(api, "/api/v1/namespaces", namespace_of(self.namespace))
                try:
                    await admit(api, self.namespace, "batch", "cronjobs")
                    await self._create_all(api, manifests, dry_run=False)
                except StrategyError:
                    with suppress(StrategyError):
                        await self.clean_up()
                    raise
            finally:
                self.counts = dict(api.counts)

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """Nothing is left to decide; wait for the end."""
        await member.stopping.wait()

    async def clean_up(self) -> None:
        """Remove the namespace with all that is in it, and the nodes that the trial has lost.

        Raises ServiceLost where the API server has not done it within five minutes.
        """
        async with KubernetesApi(self._url, timeout_s=CALL_S) as api:
            try:
                async with asyncio.timeout(GONE_S):
                    while not await self._is_gone(api):
                        await asyncio.sleep(LOOK_S)
            except TimeoutError:
                raise ServiceLost(f"namespace {self.namespace} is still there") from None

    async def _is_gone(self, api: KubernetesApi) -> bool:
        """Ask for the removal of what is left, and look; a busy server is asked again.

        Pods of a lost node are forgotten by force: nobody is left to say that they have ended.
        """
        at = f"/api/v1/namespaces/{self.namespace}"
        with suppress(ServiceLost):
            with suppress(NotFound, Conflict):  # a conflict: it is being deleted already
                await api.delete(at)
            if self.uses_node_agents:
                by_trial = {"labelSelector": f"{TRIAL_LABEL}={self.namespace}"}
                with suppress(NotFound):
                    await api.delete("/api/v1/nodes", query=by_trial)
            with suppress(Refused):
                await api.delete(f"{at}/pods", {"gracePeriodSeconds": 0})
            try:
                await api.get(at, dict[str, object])
            except NotFound:
                return True
        return False

    async def _create_all(
        self, api: KubernetesApi, manifests: Sequence[CronJob], *, dry_run: bool
    ) -> None:
        """Create the CronJobs, some at a time; a dry run asks in a namespace that exists."""
        turns = asyncio.Semaphore(AT_ONCE)
        query: Query = {"dryRun": "All"} if dry_run else NOTHING
        place = "default" if dry_run else self.namespace
        path = f"/apis/batch/v1/namespaces/{place}/cronjobs"

        async def create(manifest: CronJob) -> None:
            async with turns:
                meta = replace(manifest.metadata, namespace=place)
                await self._create(api, path, replace(manifest, metadata=meta), query)

        await asyncio.gather(*(create(manifest) for manifest in manifests))

    async def _create(
        self, api: KubernetesApi, path: str, body: object, query: Query = NOTHING
    ) -> None:
        """Create one object, asking again when the server is busy or has not answered."""
        for attempt in range(ATTEMPTS):
            try:
                await api.create(path, body, query)
            except Conflict:
                if attempt == 0:
                    raise
                return  # an earlier attempt did it, and its answer was lost
            except (ServiceLost, Forbidden) as lost:
                if attempt == ATTEMPTS - 1:
                    raise
                wish_s = lost.retry_after_s if isinstance(lost, Busy) else None
                wait_s = FIRST_WAIT_S * 2**attempt * self._rng.uniform(0.5, 1.5)
                await asyncio.sleep(max(wish_s or 0.0, wait_s))
            else:
                return
