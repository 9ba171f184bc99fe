"""A pod's process: started so that it dies with the node, awaited, stopped within a grace.

Every process stays in the agent's own process group, so that what strikes the group (a kill, a
pause) strikes the whole node. `launch` asks the kernel to kill the command when the agent dies, a
keeper in a session of its own kills the group for what the commands have started themselves.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

KILLED = 137  # 128 + SIGKILL, as a container's exit code says it


class NodeProcesses:
    """Starts processes that end with this one. `pod_program` is the built `coordbench-pod`."""

    def __init__(self, pod_program: Path) -> None:
        self._program = str(pod_program)
        if os.getpgrp() != os.getpid():
            os.setpgid(0, 0)
        self._keeper = subprocess.Popen(
            [self._program, "keep", str(os.getpgrp())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> "PodProcess":
        """Start a command; the folder of our own program is searched first. Raises OSError."""
        path = f"{Path(self._program).parent}:{os.environ.get('PATH', os.defpath)}"
        started = subprocess.Popen(
            [self._program, "launch", *command],
            env={"PATH": path, **environment}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return PodProcess(started)

    def close(self) -> None:
        """Let the keeper go, in an orderly end: nothing is left for it to kill."""
        self._keeper.kill()
        self._keeper.wait()
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()


class PodProcess:
    """One running command."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._ended = asyncio.get_running_loop().create_future()
        # A thread per process, as asyncio has it in 3.11, would be hundreds at a full minute.
        self._watch = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._watch, self._reap)

    async def wait(self) -> int:
        """The exit code, 128 + the signal's number where a signal ended it."""
        return int(await asyncio.shield(self._ended))

    async def stop(self, grace_s: float) -> int:
        """SIGTERM, and SIGKILL to it and its children after `grace_s`; the exit code."""
        if grace_s > 0:
            self._send(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self.wait()
        self.kill()
        return await self.wait()

    def kill(self) -> None:
        """SIGKILL to the process and everything that it has started."""
        if self._ended.done():
            return
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if not self._ended.done():  # until it is reaped its pid is nobody else's
            os.kill(self.pid, number)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watch)
        os.close(self._watch)
        status = self._process.wait()
        if not self._ended.done():
            self._ended.set_result(status if status >= 0 else 128 - status)
