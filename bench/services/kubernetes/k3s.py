"""The control plane of K3s in a container, through testcontainers. UNTESTED (docs/kubernetes.md).

Only the server runs (`--disable-agent`): the nodes are node agents on this machine, as with the
embedded control plane, with the same roles and tokens. Their pods need `coordbench-pod`, which
Go builds in some seconds.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.errors import told
from bench.leftovers import Registration
from bench.services.base import TIMEOUT_S, NoAnswer, ServiceUnavailable
from bench.services.container import Container
from bench.services.embedded import write_secret
from bench.services.kubernetes import access, build, components
from bench.services.kubernetes.control_plane import introduce, read_counters
from bench.services.ports import free_ports
from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.endpoint import Endpoint
from strategies.kubernetes.errors import Refused
from strategies.model import Timing

IMAGE = "rancher/k3s:v1.34.4-k3s1"
PORT = 6443
START_TIMEOUT_S = 120.0
CA_FILE = "/var/lib/rancher/k3s/server/tls/server-ca.crt"
UNUSED = ("traefik", "servicelb", "metrics-server", "local-storage", "coredns")


def arguments(timing: Timing, trials: int) -> list[str]:
    """What K3s' server is started with."""
    to_server = ["token-auth-file=/coordbench/tokens.csv", "anonymous-auth=false"]
    to_controllers = [*components.request_flags(trials), *components.node_flags(timing)]
    return [
        "server", "--disable-agent", "--tls-san=127.0.0.1",
        *(f"--disable={part}" for part in UNUSED),
        *(f"--kube-apiserver-arg={one}" for one in to_server),
        *(f"--kube-controller-manager-arg={one.removeprefix('--')}" for one in to_controllers),
    ]  # fmt: skip


class K3s(Container):
    """K3s' control plane in a container of our own; see bench.services.base.Service."""

    name = "kubernetes"
    durability = "SQLite in the container: gone with it"

    def __init__(
        self, directory: Path, registration: Registration | None, timing: Timing = Timing()
    ) -> None:
        super().__init__()
        self._registration = registration
        self._timing, self._trials = timing, 1
        self._tokens = access.new_tokens()
        self._folder: Path | None = None
        self._port = 0

    def url_for(self, role: str) -> str:
        """The endpoint with the token of one role."""
        assert self._folder is not None
        return Endpoint(
            base=f"https://127.0.0.1:{self._port}", ca=str(self._folder / "ca.crt"),
            name="127.0.0.1", role=role, token=self._tokens[role],
            admits=",".join(access.ADMITS.get(role, ())),
        ).url  # fmt: skip

    async def start(self) -> None:
        await build.beside(build.build_pod)
        self._folder = Path(tempfile.mkdtemp(prefix="coordbench-k3s-"))
        if self._registration is not None:
            self._registration.directory(self._folder)
        write_secret(self._folder / "tokens.csv", access.token_file(self._tokens))
        self._port = free_ports(1)[0]
        try:
            self._container = self._make(self._folder)
            await asyncio.to_thread(self._container.start)
            await self._until_healthy()
            self.version = await introduce(self.url_for(access.ADMIN))
        except ServiceUnavailable:
            await self.stop()
            raise
        except Exception as error:  # testcontainers and docker raise many kinds
            await self.stop()
            reason = (str(error) or told(error)).partition("\n")[0]
            raise ServiceUnavailable(f"kubernetes: its container: {reason}") from None
        self.url = self.url_for(access.ELECTION)

    async def stop(self) -> None:
        await super().stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def retime(self, timing: Timing, trials: int = 1) -> None:
        """Be for so many trials at once from now on, by their timing: another container."""
        if (timing, trials) != (self._timing, self._trials):
            await self.stop()
            self._timing, self._trials = timing, trials
            await self.start()

    async def health(self) -> bool:
        try:
            async with KubernetesApi(self.url_for(access.OBSERVER), timeout_s=TIMEOUT_S) as api:
                return await api.text("/readyz") == "ok"
        except (ServiceLost, Refused):
            return False

    async def counters(self) -> dict[str, float]:
        try:
            return await read_counters(self.url_for(access.OBSERVER))
        except (ServiceLost, Refused) as error:
            raise NoAnswer(str(error)) from None

    def _make(self, folder: Path) -> Any:
        from testcontainers.core.container import DockerContainer  # an extra, and slow

        container = DockerContainer(IMAGE)
        container.ports[str(PORT)] = ("127.0.0.1", self._port)
        container.with_volume_mapping(str(folder), "/coordbench", "ro")
        container.with_kwargs(privileged=True, tmpfs={"/run": "", "/var/run": ""})
        container.with_command(arguments(self._timing, self._trials))
        return container

    async def _until_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ServiceLost, Refused):
                await self._fetch_authority()
                if await self.health():
                    return
            await asyncio.sleep(0.2)
        raise ServiceUnavailable(
            f"kubernetes: no answer from K3s' container within {START_TIMEOUT_S:.0f} s"
        )

    async def _fetch_authority(self) -> None:
        """Take the cluster's own authority out of the container: nothing is sent unverified."""
        assert self._folder is not None
        done = await asyncio.to_thread(self._container.exec, ["cat", CA_FILE])
        if done.exit_code != 0:
            raise OSError("no certificate authority yet")
        write_secret(self._folder / "ca.crt", done.output.decode())
