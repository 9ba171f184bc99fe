"""The embedded control plane as a service: etcd, API server, controllers and scheduler.

1. A private folder, a certificate authority of its own, a token per role.
2. etcd and the API server start; once it is ready, RBAC is told who may do what.
3. The controllers and the scheduler start. The service is up when the controllers say so.
4. At the end all four are killed and the folder is removed: there is nothing to keep, and the
   API server's own orderly end takes longer than a trial.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from bench.kubernetes_binaries import cached
from bench.leftovers import Registration
from bench.services import launch
from bench.services.base import TIMEOUT_S, NoAnswer, ServiceUnavailable, Teller
from bench.services.embedded import write_secret
from bench.services.kubernetes import access, build, components, kubeconfig
from bench.services.kubernetes.components import Place
from bench.services.ports import free_ports
from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.endpoint import Endpoint
from strategies.kubernetes.errors import Conflict, NotFound, Refused
from strategies.model import Timing

START_TIMEOUT_S = 60.0
PORT_ATTEMPTS = 5
POLL_S = 0.03
CORE, REST = ("etcd", "apiserver"), ("controllers", "scheduler")
STARTED = re.compile(r'"Started controller" controller="cronjob-controller"|Starting cronjob')


class ControlPlane:
    """A control plane of our own; see bench.services.base.Service.

    `url` is the election's role; `url_for` gives any other's. `timing` decides how fast nodes are
    given up; `retime` changes it. `environment` gives a component's variables. `tell` hears of the
    build, where one is needed; `ready_s` is how long the start has taken beside it.
    """

    name = "kubernetes"
    provider = "embedded"
    owned = True
    durability = "etcd without fsync: survives a killed process, not a power cut"

    def __init__(
        self,
        directory: Path,
        registration: Registration | None,
        timing: Timing = Timing(),
        tell: Teller = build.Silence(),
    ) -> None:
        self.version = ""
        self.url = ""
        self.tell = tell
        self.ready_s = 0.0
        self.environment = components.environment
        self.binaries = cached()
        self._directory = directory
        self._given = registration
        self._registration = registration
        self._timing, self._trials = timing, 1
        self._tokens: dict[str, str] = {}
        self._place: Place | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values() if process.poll() is None]

    def url_for(self, role: str) -> str:
        """The endpoint with the token of one role (bench.services.kubernetes.access)."""
        return self._endpoint(role).url

    async def start(self) -> None:
        self.binaries = await build.beside(build.build, self.tell)
        if self._registration is None:
            self._registration = Registration()
        began_s = time.monotonic()
        try:
            await self._start_on_free_port(self._registration)
            self.ready_s = time.monotonic() - began_s
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        await self.kill()
        if self._place is not None:
            await asyncio.to_thread(shutil.rmtree, self._place.folder, ignore_errors=True)
            self._place = None
        if self._given is None and self._registration is not None:
            self._registration.close()
            self._registration = None

    async def kill(self) -> None:
        for name in list(self._processes):
            await self._kill_one(name)

    async def pause(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    async def resume(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)

    async def restart(self) -> None:
        await self.kill()
        for names in (CORE, REST):
            for name in names:
                self._spawn(name)
            await self._until_ready()
        await self._until_controllers()

    async def restart_controllers(
        self, timing: Timing | None = None, trials: int | None = None
    ) -> None:
        """Kill the controller manager and start it again, for other trials where they are given."""
        self._timing, self._trials = timing or self._timing, trials or self._trials
        await self._kill_one("controllers")
        self._spawn("controllers")
        await self._until_controllers()

    async def retime(self, timing: Timing, trials: int = 1) -> None:
        """Be for so many trials at once from now on, and give nodes up by their timing."""
        if (timing, trials) != (self._timing, self._trials):
            await self.restart_controllers(timing, trials)

    async def health(self) -> bool:
        if len(self.pids) < len(CORE + REST):
            return False
        try:
            async with KubernetesApi(self.url_for(access.OBSERVER), timeout_s=TIMEOUT_S) as api:
                return await api.text("/readyz") == "ok"
        except (ServiceLost, Refused):
            return False

    async def counters(self) -> dict[str, float]:
        """Requests that the API server has answered, by resource; `operations` is their sum.

        All clients count, for with a CronJob the controllers and the nodes are the strategy.
        Reading this page is no request for a resource. A watch counts when it ends.
        """
        try:
            return await read_counters(self.url_for(access.OBSERVER))
        except (ServiceLost, Refused) as error:
            raise NoAnswer(str(error)) from None

    def resident_mb(self) -> dict[str, float]:
        """The memory that each component holds now."""
        held = {}
        for name, process in self._processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                held[name] = psutil.Process(process.pid).memory_info().rss / 2**20
        return held

    async def _start_on_free_port(self, registration: Registration) -> None:
        for attempt in range(PORT_ATTEMPTS):
            folder = Path(tempfile.mkdtemp(prefix="coordbench-kubernetes-"))  # 0700
            registration.directory(folder)
            self._place = Place(folder, free_ports(1)[0])
            await self._lay_out(self._place)
            for name in CORE:
                self._spawn(name)
            try:
                await self._until_ready()
            except ServiceUnavailable:
                # Another process took the port between our look and the server's bind.
                taken = "address already in use" in self._tail("apiserver")
                if not taken or attempt == PORT_ATTEMPTS - 1:
                    raise
                await self.kill()
                shutil.rmtree(folder, ignore_errors=True)
                continue
            break
        self.version = await introduce(self.url_for(access.ADMIN))
        for name in REST:
            self._spawn(name)
        await self._until_controllers()

    async def _lay_out(self, place: Place) -> None:
        """Certificates, tokens, and the components' own access, in the private folder."""
        command = [str(self.binaries.control_plane), "certificate", "127.0.0.1", str(place.folder)]
        made = await asyncio.to_thread(subprocess.run, command, check=False)
        if made.returncode != 0:
            raise ServiceUnavailable("kubernetes: no certificate could be made")
        chain = (place.folder / "serving.crt").read_text()
        authority = chain[chain.rindex("-----BEGIN CERTIFICATE-----") :]
        write_secret(place.folder / "ca.crt", authority)
        self._tokens = access.new_tokens()
        write_secret(place.folder / "tokens.csv", access.token_file(self._tokens))
        for role in (access.CONTROLLERS, access.SCHEDULER):
            kubeconfig.write(place.folder / f"{role}.json", self._endpoint(role))
        self.url = self.url_for(access.ELECTION)

    async def _until_ready(self) -> None:
        """Wait for the API server; ServiceUnavailable with its log's last line if it never is."""
        async with KubernetesApi(self.url_for(access.ADMIN), timeout_s=TIMEOUT_S) as api:
            for _ in self._waiting(CORE):
                with contextlib.suppress(ServiceLost, Refused):
                    if await api.text("/readyz") == "ok":
                        return
                await asyncio.sleep(POLL_S)

    async def _until_controllers(self) -> None:
        for _ in self._waiting(CORE + REST):
            if STARTED.search(self._tail("controllers")):
                return
            await asyncio.sleep(POLL_S)

    def _waiting(self, names: Sequence[str]) -> Iterator[None]:
        """Turns of waiting while the components `names` live, up to START_TIMEOUT_S."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            for name in names:
                status = self._processes[name].poll()
                if status is not None:
                    raise self._unavailable(name, f"ended at its start with status {status}")
            yield
        raise self._unavailable(names[-1], f"was not ready within {START_TIMEOUT_S:.0f} s")

    def _unavailable(self, name: str, what: str) -> ServiceUnavailable:
        lines = [line for line in self._tail(name).splitlines() if line.strip()]
        last = lines[-1][:300] if lines else "it wrote no log"
        log = self._log_of(name)
        return ServiceUnavailable(f"kubernetes: {name} {what}: {last} (all of it: {log})")

    def _command(self, name: str) -> list[str]:
        assert self._place is not None
        if name == "controllers":
            return components.controller_manager(self._place, self._timing, self._trials)
        make = {"etcd": components.etcd, "apiserver": components.api_server}
        return make.get(name, components.scheduler)(self._place)

    def _spawn(self, name: str) -> None:
        if self._registration is None or self._place is None:
            raise ServiceUnavailable("kubernetes: restarted before it was started")
        tied = [sys.executable, "-I", "-S", str(launch.__file__), str(os.getpid())]
        tied += [str(int(signal.SIGKILL)), "-", str(self.binaries.control_plane)]
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._log_of(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [*tied, *self._command(name)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._place.folder,
                env={**os.environ, **self.environment(name)},
                start_new_session=True,
            )
        self._registration.process(self._processes[name].pid, f"kubernetes {name}")

    async def _kill_one(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.wait)

    def _endpoint(self, role: str) -> Endpoint:
        assert self._place is not None
        return Endpoint(
            base=f"https://127.0.0.1:{self._place.port}",
            ca=self._place.file("ca.crt"),
            name="127.0.0.1",
            role=role,
            token=self._tokens[role],
            admits=",".join(access.ADMITS.get(role, ())),
        )

    def _log_of(self, name: str) -> Path:
        return self._directory / f"kubernetes-{name}.log"

    def _tail(self, name: str) -> str:
        log = self._log_of(name)
        return log.read_text(errors="replace")[-200_000:] if log.exists() else ""


async def introduce(url: str) -> str:
    """Tell the server, as its admin, who may do what; the server's version."""
    async with KubernetesApi(url, timeout_s=10) as api:

        async def grant(path: str, thing: object) -> None:
            while True:
                try:
                    await api.create(path, thing)
                except NotFound:  # the server makes its own namespaces as it starts
                    await asyncio.sleep(POLL_S)
                except Conflict:  # it is there since before a restart
                    return
                else:
                    return

        await asyncio.gather(*(grant(path, thing) for path, thing in access.grants()))
        return str((await api.get("/version", dict[str, str]))["gitVersion"])


async def read_counters(url: str) -> dict[str, float]:
    """The requests answered so far, by resource and in all. Raises ServiceLost, Refused."""
    async with KubernetesApi(url, timeout_s=TIMEOUT_S) as api:
        counted = requests(await api.text("/metrics"))
    return {"operations": sum(counted.values()), **counted}


COUNTED = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.M)
RESOURCE = re.compile(r'resource="([^"]*)"')
STRATEGYS = frozenset(
    {"cronjobs", "events", "jobs", "leases", "namespaces", "nodes", "pods"}
)  # what coordination consists of; the rest is the control plane's own housekeeping


def requests(metrics: str) -> dict[str, float]:
    """Requests by resource, from the API server's page of metrics."""
    counted: dict[str, float] = {}
    for line in COUNTED.finditer(metrics):
        found = RESOURCE.search(line["labels"])
        if found and found[1] in STRATEGYS:
            counted[found[1]] = counted.get(found[1], 0.0) + float(line["count"])
    return counted
