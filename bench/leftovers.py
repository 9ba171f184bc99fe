"""What a bench started, written down while it runs, so that a later start can remove what was left.

A bench that is killed cannot clean up. So whoever starts a process or makes a temporary directory
first opens a `Registration`: a file of JSON lines under the user's state directory, its first line
naming the bench, each later line one process or one directory. `clean()` reads the registrations
of benches that are gone and removes exactly what they name, nothing else.

A process is named by its pid *and* its start time in kernel ticks since boot, so that a pid which
was used again is never touched; wall-clock start times would move with the clock.
"""

import json
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def running_directory() -> Path:
    """Where registrations lie: `$XDG_STATE_HOME/coordbench/running`."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "coordbench" / "running"


def start_ticks(pid: int) -> int | None:
    """When `pid` started, in kernel ticks since boot (proc(5), field 22); None if it is gone.

    A zombie counts as gone: it only waits for its parent to look.
    """
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = line.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return None if fields[0] == "Z" else int(fields[19])


def machine() -> str:
    """Where a pid means something: this boot and this pid namespace."""
    return f"{_BOOT_ID.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"


class Registration:
    """What this process has started, on disk. As a context manager it leaves nothing behind.

    `directory` is where the registration lies; tests set it, everyone else keeps the default.
    """

    def __init__(self, directory: Path | None = None) -> None:
        folder = directory or running_directory()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:12]}.jsonl"
        self._write({"bench": os.getpid(), "ticks": start_ticks(os.getpid()), "on": machine()})

    @property
    def path(self) -> Path:
        """The file it is kept in."""
        return self._path

    def process(self, pid: int, what: str) -> None:
        """Write down a process that this bench has started. `what` names it to a reader."""
        ticks = start_ticks(pid)
        if ticks is not None:
            self._write({"pid": pid, "ticks": ticks, "what": what})

    def directory(self, path: Path) -> None:
        """Write down a directory that this bench has made and that nobody needs later."""
        self._write({"directory": str(path.absolute())})

    def close(self) -> list[str]:
        """Remove what is still there of this registration, and then itself; says what it was."""
        removed = list(_remove(_lines(self._path))) if self._path.exists() else []
        self._path.unlink(missing_ok=True)
        return removed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, line: dict[str, Any]) -> None:
        # One write per line: a reader sees a whole line or, after a kill in mid-write, a torn
        # last one, which it skips.
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error


@contextmanager
def private_directory(registration: Registration) -> Iterator[Path]:
    """A folder only we can read, for sockets and for configurations, which hold credentials."""
    path = Path(tempfile.mkdtemp(prefix="coordbench-"))
    registration.directory(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def clean(directory: Path | None = None) -> list[str]:
    """Remove what benches that are gone have left; one line for each thing removed."""
    found = sorted((directory or running_directory()).glob("*.jsonl"))
    return [line for path in found for line in clean_one(path) or ()]


def clean_one(path: Path) -> list[str] | None:
    """Remove what the bench of one registration has left; None while that bench may be alive."""
    try:
        lines = _lines(path)
    except FileNotFoundError:
        return []  # somebody else was faster
    if _may_be_alive(lines):
        return None
    removed = list(_remove(lines))
    path.unlink(missing_ok=True)
    return removed


def kill_tree(pid: int) -> None:
    """SIGKILL a process and its descendants; a stopped process dies of it too."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree, timeout=5)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a registration; a torn line is no line."""
    found: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def _may_be_alive(lines: list[dict[str, Any]]) -> bool:
    """Whether the bench of a registration still runs, or cannot be judged from here."""
    head = lines[0] if lines else {}
    if head.get("on") == machine():
        return "bench" in head and start_ticks(head["bench"]) == head["ticks"]
    # Another container that shares this home has pids of its own; another boot has ended all.
    return str(head.get("on", "")).startswith(_BOOT_ID.read_text().strip())


def _remove(lines: list[dict[str, Any]]) -> Iterator[str]:
    here = bool(lines) and lines[0].get("on") == machine()
    for line in lines:
        if here and "pid" in line and start_ticks(line["pid"]) == line["ticks"]:
            kill_tree(line["pid"])
            _kill_group(line["pid"])
            yield f"killed {line['what']} (process {line['pid']})"
    for line in lines:
        if "directory" in line and _remove_directory(Path(line["directory"])):
            yield f"removed {line['directory']}"


def _kill_group(pid: int) -> None:
    """Kill what the leader `pid` left in its group; it led one, as we start all in a session."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _remove_directory(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    shutil.rmtree(path, ignore_errors=True)
    return True
