"""The processes of a node's pods: started so that they die with the node, awaited, stopped.

A *keeper* (`coordbench-pod keep`) starts them, as this process orders over a pipe, and is told
nothing more when this process dies, however it died: then it kills all that descends from it. As a
subreaper it inherits every process that loses its parent, also one in a session of its own, so that
nothing outlives the node. Every process begins in the agent's own process group, so that what
strikes the group (a kill, a pause) strikes the whole node at once; the keeper has another.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

KILLED = 137  # 128 + SIGKILL, as a container's exit code says it
READ_BYTES = 65536
CLOSE_S = 5.0


class Answer(msgspec.Struct):
    """A line from the keeper: a process runs, has ended, or could not be started."""

    id: int
    pid: int = 0
    code: int | None = None
    error: str = ""


class PodProcess:
    """One command."""

    def __init__(self, keeper: "NodeProcesses", number: int) -> None:
        self._keeper, self._number = keeper, number
        loop = asyncio.get_running_loop()
        self.began: asyncio.Future[int] = loop.create_future()  # its pid
        self.ended: asyncio.Future[int] = loop.create_future()  # its exit code

    async def wait(self) -> int:
        """The exit code, 128 + the signal's number where a signal ended it."""
        return await asyncio.shield(self.ended)

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
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if not self.ended.done():
            self._keeper.order(id=self._number, signal=int(number))


class NodeProcesses:
    """Starts processes that end with this one. `pod_program` is the built `coordbench-pod`."""

    def __init__(self, pod_program: Path) -> None:
        if os.getpgrp() != os.getpid():
            os.setpgid(0, 0)
        # The folder of our own program is searched first.
        self._path = f"{pod_program.parent}:{os.environ.get('PATH', os.defpath)}"
        self._known: dict[int, PodProcess] = {}
        self._count, self._heard = 0, b""
        self._keeper = subprocess.Popen(
            [str(pod_program), "keep", str(os.getpgrp())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0,
            env={**os.environ, "PATH": self._path},
        )  # fmt: skip
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._orders, self._answers = self._keeper.stdin, self._keeper.stdout.fileno()
        os.set_blocking(self._answers, False)
        asyncio.get_running_loop().add_reader(self._answers, self._hear)

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> PodProcess:
        """Start a command. Raises OSError; one that is not found ends with 127, as in a shell."""
        self._count += 1
        process = self._known[self._count] = PodProcess(self, self._count)
        variables = {"PATH": self._path, **environment}
        self.order(
            id=self._count,
            command=list(command),
            environment=[f"{name}={value}" for name, value in variables.items()],
        )
        await process.began
        return process

    def order(self, **order: object) -> None:
        """Send the keeper one line; a keeper that is gone has ended everything by then."""
        try:
            self._orders.write(msgspec.json.encode(order) + b"\n")
            self._orders.flush()
        except BrokenPipeError:
            self._all_over()

    def close(self) -> None:
        """Let the keeper go, in an orderly end; it ends what is left."""
        asyncio.get_running_loop().remove_reader(self._answers)
        with suppress(BrokenPipeError):
            self._orders.close()
        try:
            self._keeper.wait(CLOSE_S)
        finally:
            assert self._keeper.stdout is not None
            self._keeper.stdout.close()

    def _hear(self) -> None:
        read = os.read(self._answers, READ_BYTES)
        *lines, self._heard = (self._heard + read).split(b"\n")
        for line in lines:
            self._take(msgspec.json.decode(line, type=Answer))
        if not read:
            asyncio.get_running_loop().remove_reader(self._answers)
            self._all_over()

    def _take(self, answer: Answer) -> None:
        process = self._known[answer.id]
        if not process.began.done():
            if answer.error:
                process.began.set_exception(OSError(0, answer.error))
            else:
                process.began.set_result(answer.pid)
        if answer.code is not None or answer.error:
            del self._known[answer.id]
            process.ended.set_result(KILLED if answer.code is None else answer.code)

    def _all_over(self) -> None:
        """The keeper is gone, and with it all that it has started."""
        for number in list(self._known):
            self._take(Answer(number, error="the node's keeper is gone"))
