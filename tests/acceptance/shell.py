"""Running the command line as a person does, and seeing what it leaves behind."""

import os
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass
class Shell:
    """Runs `coordbench` with a state directory and a mark of its own."""

    home: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return (
            os.environ
            | self.extra
            | {
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
                ours = process.environ().get("COORDBENCH_TEST_MARK") == self.mark
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
            except psutil.Error:
                continue
        return found


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Read the output until a line holds `words`; what was read."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if words in line:
            return read
    raise AssertionError(f"{words!r} never came; the output was:\n{read}")
