"""The node itself: its Node object, and the Lease by which the control plane knows it is alive."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bench.node_agent.status import rfc3339
from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.errors import Conflict, Refused
from strategies.kubernetes.objects import TRIAL_LABEL
from strategies.kubernetes.objects import Node as NodeObject
from strategies.model import Timing

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
NODES = "/api/v1/nodes"
ZONE_LABEL = "topology.kubernetes.io/zone"
STATUS_S = 10.0  # nodeStatusUpdateFrequency
CAPACITY = {"cpu": "64", "memory": "64Gi", "pods": "1000"}


@dataclass(frozen=True)
class Heartbeat:
    """A Lease of `duration_s`, renewed every `renew_s`.

    The kubelet's defaults are 40 s and a quarter of it; `equal` does the same with L.
    """

    duration_s: float
    renew_s: float

    @classmethod
    def of(cls, timing: Timing) -> "Heartbeat":
        """The heartbeat of a timing profile."""
        duration_s = timing.lease_s if timing.profile == "equal" else 40.0
        return cls(duration_s, duration_s / 4)


class Node:
    """One node of a trial, in a zone of the trial's own."""

    def __init__(
        self,
        api: KubernetesApi,
        name: str,
        trial: str,
        heartbeat: Heartbeat,
        now: Callable[[], float],
    ) -> None:
        self._api, self.name, self._trial = api, name, trial
        self._heartbeat, self._now = heartbeat, now
        self._renewed_s = 0.0
        self._told_s = 0.0

    async def register(self) -> None:
        """Make the Node and its Lease; waits for the API server as long as it takes."""
        while True:
            try:
                uid = await self._create()
                await self._create_lease(uid)
            except ServiceLost:
                await asyncio.sleep(self._heartbeat.renew_s)
                continue
            self._renewed_s = self._told_s = self._now()
            return

    async def stay_alive(self) -> None:
        """Renew the Lease for ever. After a gap the node says anew that it is ready.

        Whatever the server answers, a node lives on, as a kubelet does: one that has restarted
        refuses everybody until it has read its rules.
        """
        while True:
            await asyncio.sleep(self._heartbeat.renew_s)
            with suppress(ServiceLost, Refused):
                await self._renew()

    async def leave(self) -> None:
        """Take the node off the list, as far as the API server can be reached."""
        with suppress(ServiceLost, Refused):
            await self._api.delete(f"{NODES}/{self.name}")
            await self._api.delete(f"{LEASES}/{self.name}")

    async def _create(self) -> str:
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": {
                    "kubernetes.io/hostname": self.name,
                    TRIAL_LABEL: self._trial,
                    ZONE_LABEL: self._trial,
                },
            },
            "status": self._status(),
        }
        try:
            await self._api.create(NODES, body)
        except Conflict:
            # An answer was lost; or a predecessor of this name was, and is given up by now.
            await self._api.merge(f"{NODES}/{self.name}/status", {"status": self._status()})
        return (await self._api.get(f"{NODES}/{self.name}", NodeObject)).metadata.uid

    async def _create_lease(self, uid: str) -> None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": uid}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "ownerReferences": [owner]},
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": max(1, round(self._heartbeat.duration_s)),
                "renewTime": rfc3339(self._now(), micro=True),
            },
        }
        with suppress(Conflict):
            await self._api.create(LEASES, body)

    async def _renew(self) -> None:
        now = self._now()
        patch = {"spec": {"renewTime": rfc3339(now, micro=True)}}
        await self._api.merge(f"{LEASES}/{self.name}", patch)
        silent_s, self._renewed_s = now - self._renewed_s, now
        if silent_s > 2 * self._heartbeat.renew_s or now - self._told_s > STATUS_S:
            await self._api.merge(f"{NODES}/{self.name}/status", {"status": self._status()})
            self._told_s = now

    def _status(self) -> dict[str, object]:
        now = rfc3339(self._now())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        pressures = [
            {"type": f"{kind}Pressure", "status": "False", "reason": "KubeletHasSufficient"}
            for kind in ("Memory", "Disk", "PID")
        ]
        conditions = [
            {**condition, "lastHeartbeatTime": now, "lastTransitionTime": now}
            for condition in (*pressures, ready)
        ]
        return {"capacity": CAPACITY, "allocatable": CAPACITY, "conditions": conditions}
