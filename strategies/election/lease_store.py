"""Where the Lease lies: in Kubernetes, or on a simulated server."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from strategies.election.lease import NOBODY, LeaseTiming, Record
from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.errors import Conflict, Forbidden, NotFound, Refused
from strategies.kubernetes.objects import Lease, LeaseSpec, Meta
from strategies.kubernetes.tenancy import admit, namespace_of
from strategies.memory import MemoryLink

NAME = "leader"
FIRE_LOG = "coordbench.dev/fire-log"


class KubernetesLeaseStore:
    """The Lease `leader` in a namespace of its own, through the API server at `url`."""

    def __init__(self, url: str, namespace: str, timing: LeaseTiming) -> None:
        self._url, self._timing = url, timing
        self._namespace = namespace.replace("_", "-").lower()
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"
        self._opened: KubernetesApi | None = None

    async def prepare(self) -> None:
        api = await self._api()
        try:
            with suppress(Conflict):
                await api.create("/api/v1/namespaces", namespace_of(self._namespace))
            await admit(api, self._namespace, "coordination.k8s.io", "leases")
            with suppress(Conflict):
                await api.create(self._leases, self._lease(Record()))
        except Refused as error:
            raise ServiceLost(str(error)) from None

    async def read(self) -> Record:
        api = await self._api()
        try:
            return _record(await api.get(f"{self._leases}/{NAME}", Lease))
        except Refused as error:
            raise ServiceLost(str(error)) from None

    async def write(self, record: Record) -> Record | None:
        api = await self._api()
        try:
            answer = await api.replace(f"{self._leases}/{NAME}", self._lease(record))
        except (Conflict, NotFound):
            return None
        except Refused as error:
            raise ServiceLost(str(error)) from None
        return _record(msgspec.json.decode(answer, type=Lease))

    async def clean_up(self) -> None:
        """Delete the Lease and the namespace.

        Kubernetes itself waits 5 s before it takes a deleted namespace off the list
        (pkg/controller/namespace, namespaceDeletionGracePeriod). It comes back to nobody: this
        does not wait for it.
        """
        api = await self._api()
        try:
            # Forbidden: the right to it lay in the namespace, and has gone with it.
            with suppress(NotFound, Forbidden):
                await api.delete(f"{self._leases}/{NAME}")
            with suppress(NotFound, Conflict):  # a conflict: it is being deleted already
                await api.delete(f"/api/v1/namespaces/{self._namespace}")
        except Refused as error:
            raise ServiceLost(f"the namespace stays: {error}") from None

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(None, None, None)
            self._opened = None

    async def _api(self) -> KubernetesApi:
        if self._opened is None:
            api = KubernetesApi(self._url, timeout_s=self._timing.call_s, connections=2)
            self._opened = await api.__aenter__()
        return self._opened

    def _lease(self, record: Record) -> Lease:
        # For people who look at the Lease; this program compares the mark and never reads a time.
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return Lease(
            api_version="coordination.k8s.io/v1",
            kind="Lease",
            metadata=Meta(
                name=NAME,
                namespace=self._namespace,
                resource_version=record.version,
                annotations={FIRE_LOG: msgspec.json.encode(record.log).decode()},
            ),
            spec=LeaseSpec(
                holder_identity=record.holder,
                lease_duration_seconds=max(1, round(self._timing.duration_s)),
                renew_time=now,
                lease_transitions=record.transitions,
            ),
        )


def _record(lease: Lease) -> Record:
    log = lease.metadata.annotations.get(FIRE_LOG, "{}")
    return Record(
        holder=lease.spec.holder_identity or NOBODY,
        transitions=lease.spec.lease_transitions or 0,
        renewed=lease.spec.renew_time or "",
        log=msgspec.json.decode(log, type=dict[str, int]),
        version=lease.metadata.resource_version,
    )


class MemoryLeaseStore:
    """The same object on a simulated server: one record, compared and set atomically."""

    def __init__(self, link: MemoryLink, namespace: str) -> None:
        self._link, self._namespace = link, namespace

    async def prepare(self) -> None:
        await self._link.call(self._box)

    async def read(self) -> Record:
        return await self._link.call(lambda: self._box()[0])

    async def write(self, record: Record) -> Record | None:
        def compare_and_set() -> Record | None:
            box = self._box()
            if box[0].version != record.version:
                return None
            count = int(box[0].version) + 1
            box[0] = replace(record, version=str(count), renewed=str(count))
            return box[0]

        return await self._link.call(compare_and_set)

    async def clean_up(self) -> None:
        await self._link.call(lambda: self._link.server.drop(self._namespace))

    async def close(self) -> None:
        """Nothing is open."""

    def _box(self) -> list[Record]:
        return self._link.server.table(self._namespace, "lease", lambda: [Record(version="1")])
