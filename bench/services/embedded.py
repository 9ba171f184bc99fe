"""Real servers as child processes: no root, no container, loopback only, gone with the bench.

A `Recipe` knows one kind of server: its files, its command, its first set-up. `EmbeddedService`
does what is the same for all: free ports, random credentials, start and health, kill, pause,
restart, and leaving nothing behind.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import psutil

from bench.leftovers import Registration, kill_tree
from bench.services.base import NoAnswer, Probe, Probed, ServiceUnavailable, parts
from bench.services.ports import free_ports, holds

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
PORT_ATTEMPTS = 5
_LAUNCHER = Path(__file__).with_name("launch.py")
_PORT_IN_USE = ("in use", "BindException")  # how Redis, PostgreSQL and etcd say it, and Java


@dataclass(frozen=True, slots=True)
class Access:
    """How one start of a server is reached: made anew for every start."""

    data: Path
    ports: tuple[int, ...]
    user: str
    password: str


class Recipe(Protocol):
    """How one kind of server is installed, and laid out."""

    name: str
    ports: int
    durability: str
    death_signal: signal.Signals
    stop_signal: signal.Signals

    def missing(self) -> str | None:
        """What is missing to run it here, and how to get it; None if nothing."""

    def where(self) -> str:
        """What would be run."""

    def user(self) -> str | None:
        """The account to run it as; None for our own."""

    async def lay_out(self, access: Access) -> Sequence[str]:
        """Write the files it needs and return its command, with no secret in it."""

    def url(self, access: Access) -> str:
        """Where clients reach it, with credentials."""


class EmbeddedService(Probed):
    """A server of our own; see bench.services.base.Service.

    The kernel ends the server when the *thread* that started it ends (prctl(2)): start and
    restart it from one that lasts as long as the bench.
    """

    provider = "embedded"
    owned = True

    def __init__(
        self, recipe: Recipe, probe: Probe, directory: Path, registration: Registration | None
    ) -> None:
        self.name = recipe.name
        self.version = ""
        self.url = ""
        self.durability = recipe.durability
        self._recipe = recipe
        self._probe = probe
        self._log = directory / f"{recipe.name}.log"
        self._given = registration
        self._registration = registration
        self._command: Sequence[str] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._data: Path | None = None

    @property
    def pids(self) -> list[int]:
        if self._process is None:
            return []
        try:
            root = psutil.Process(self._process.pid)
            return [root.pid, *(child.pid for child in root.children(recursive=True))]
        except psutil.NoSuchProcess:
            return []

    async def start(self) -> None:
        if missing := self._recipe.missing():
            raise ServiceUnavailable(f"{self.name}: {missing}")
        if self._registration is None:
            self._registration = Registration()
        try:
            await self._start_on_free_ports(self._registration)
        except NoAnswer as error:
            await self.stop()
            raise ServiceUnavailable(f"{self.name}: its set-up failed: {error}") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        await self._end_process()
        if self._data is not None:
            await asyncio.to_thread(shutil.rmtree, self._data, ignore_errors=True)
            self._data = None
        if self._given is None and self._registration is not None:
            self._registration.close()
            self._registration = None

    async def kill(self) -> None:
        if self._process is not None:
            await asyncio.to_thread(kill_tree, self._process.pid)
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def pause(self) -> None:
        stopped: set[int] = set()
        while fresh := [pid for pid in self.pids if pid not in stopped]:
            for pid in fresh:  # parents first, so that the set of children comes to rest
                _send(pid, signal.SIGSTOP)
            while any(_runs(pid) for pid in fresh):  # every thread of it has to notice
                await asyncio.sleep(0.001)
            stopped.update(fresh)

    async def resume(self) -> None:
        for pid in reversed(self.pids):
            _send(pid, signal.SIGCONT)

    async def restart(self) -> None:
        if self._registration is None:
            raise ServiceUnavailable(f"{self.name}: restarted before it was started")
        await self._end_process()
        self._spawn(self._registration)
        await self._until_healthy()

    async def _start_on_free_ports(self, registration: Registration) -> None:
        for attempt in range(PORT_ATTEMPTS):
            access = self._make_access(registration)
            self._command = await self._recipe.lay_out(access)
            self.url = self._recipe.url(access)
            offset = self._log.stat().st_size if self._log.exists() else 0
            self._spawn(registration)
            try:
                await self._until_healthy()
            except ServiceUnavailable:
                # Another process took the port between our look and the server's bind.
                taken = any(text in _tail(self._log, offset) for text in _PORT_IN_USE)
                if not taken or attempt == PORT_ATTEMPTS - 1:
                    raise
                await self._end_process()
                shutil.rmtree(access.data, ignore_errors=True)
                continue
            await self._probe.introduce(self.url)
            return

    def _make_access(self, registration: Registration) -> Access:
        self._data = Path(tempfile.mkdtemp(prefix=f"coordbench-{self.name}-"))
        registration.directory(self._data)
        return Access(
            data=self._data,
            ports=free_ports(self._recipe.ports),
            user="coordbench",
            password=secrets.token_urlsafe(18),
        )

    def _spawn(self, registration: Registration) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                launched(self._command, self._recipe.death_signal, self._recipe.user()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        registration.process(self._process.pid, f"{self.name} server")

    async def _until_healthy(self) -> None:
        """Wait until our own server answers; ServiceUnavailable with its log's last line if not."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            status = self._process.poll() if self._process is not None else 0
            if status is not None:
                raise ServiceUnavailable(
                    f"{self.name}: the server ended at its start with status {status}: "
                    f"{_last_line(self._log)} (all of it: {self._log})"
                )
            with contextlib.suppress(NoAnswer):
                version = await self._probe.version(self.url)
                if self._has_port():
                    self.version = version
                    return
            if time.monotonic() > deadline:
                raise ServiceUnavailable(
                    f"{self.name}: no answer within {START_TIMEOUT_S:.0f} s of its start: "
                    f"{_last_line(self._log)} (all of it: {self._log})"
                )
            await asyncio.sleep(0.03)

    def _has_port(self) -> bool:
        """Whether it is our own process that listens where the URL leads.

        Else another bench's may pass for it: ZooKeeper answers anyone, as does a new etcd. One that
        runs as another user may not be looked into; it is PostgreSQL, whose password proves it.
        """
        assert self._process is not None
        if self._recipe.user() is not None:
            return True
        return holds(self._process.pid, parts(self.url).port or 0)

    async def _end_process(self) -> None:
        """An orderly end, by force after STOP_TIMEOUT_S."""
        if self._process is None:
            return
        process = self._process
        await self.resume()  # a paused server cannot hear the signal
        process.send_signal(self._recipe.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        await self.kill()


class EmbeddedProvider:
    """The provider of one kind of embedded server."""

    name = "embedded"

    def __init__(self, recipe: Recipe, probe: Probe) -> None:
        self._recipe = recipe
        self._probe = probe

    def missing(self) -> str | None:
        return self._recipe.missing()

    def where(self) -> str:
        return self._recipe.where()

    def make(self, directory: Path, registration: Registration | None) -> EmbeddedService:
        return EmbeddedService(self._recipe, self._probe, directory, registration)


def launched(command: Sequence[str], death_signal: signal.Signals, user: str | None) -> list[str]:
    """The command that runs `command` as `user` and ends it when this process dies."""
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
    return [*launcher, str(int(death_signal)), user or "-", *command]


def in_wheel(module: str, *inside: str) -> Path | None:
    """The file `inside` an installed package, found without importing it; None if absent."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*inside)
    return path if path.is_file() else None


def on_path(program: str) -> Path | None:
    """A program on PATH."""
    found = shutil.which(program)
    return Path(found) if found else None


def write_secret(path: Path, text: str, owner: str | None = None) -> None:
    """Write a file that only its owner may read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    if owner is not None:
        shutil.chown(path, owner)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _tail(log: Path, offset: int) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        return file.read(200_000).decode(errors="replace")


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in _tail(log, 0).splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it wrote no log"
