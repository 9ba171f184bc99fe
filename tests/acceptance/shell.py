"""Running the command line as a person does, and seeing what it leaves behind."""

import os
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass
class Shell:
    """Runs `coordbench` with a state directory, a folder for what is temporary, and a mark."""

    home: Path
    temporary: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cb")))
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return (
            os.environ
            | self.extra
            | {
                "TMPDIR": str(self.temporary),  # a short one: sockets lie in it
                "XDG_STATE_HOME": str(self.home / "state"),
                "COORDBENCH_TEST_MARK": self.mark,
                "COLUMNS": "80",
            }
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bench.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.home,
            env=self.environment,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bench.cli", *arguments],
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.environment,
            check=False,
        )

    def processes(self) -> list[str]:
        """The processes alive now that were started, however indirectly, by this shell."""
        found = []
        for process in psutil.process_iter():
            try:
                if self._is_ours(process) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
            except psutil.Error:
                continue
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        """By its environment, or, for a server that writes its title over it, by its directory."""
        marked = process.environ().get("COORDBENCH_TEST_MARK") == self.mark
        return marked or Path(process.cwd()).is_relative_to(self.temporary)


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Read the output until a line holds `words`; what was read."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if words in line:
            return read
    raise AssertionError(f"{words!r} never came; the output was:\n{read}")
