"""The ledger: the protected resource that every run writes to once, immediately before it ends.

A process of its own on a Unix socket, a path that no fault cuts. It refuses nothing: it labels
what idempotency would have stopped (`repeated`) and what fencing would have stopped (`stale`), so
that one run yields all three rates.

Protocol: one JSON object a line, answered in order.

    -> {"run": "i1-a:7", "job": "report", "due_ms": 1800000000000, "fence": 3, "scope": "report"}
    <- {"repeated": false, "stale": false}

`instance` is the part of `run` before the last colon. A fence is compared within its `scope`.
"""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from types import TracebackType

import msgspec

from bench.events import Effect
from bench.recorder import Recorder, host_clock
from strategies.model import Fire


class Write(msgspec.Struct):
    """What a run asks the ledger to store."""

    run: str
    job: str
    due_ms: int
    scope: str
    fence: int | None = None


class Label(msgspec.Struct):
    """The ledger's answer."""

    repeated: bool
    stale: bool


class Ledger:
    """The labels, as a pure state machine: fires seen, and the highest fence of each scope."""

    def __init__(self) -> None:
        self._fires: set[tuple[str, int]] = set()
        self._fences: dict[str, int] = {}

    def store(self, write: Write) -> Label:
        """Store one effect and say what would have stopped it."""
        fire = (write.job, write.due_ms)
        repeated = fire in self._fires
        self._fires.add(fire)
        if write.fence is None:
            return Label(repeated, False)
        highest = self._fences.get(write.scope, write.fence)
        self._fences[write.scope] = max(highest, write.fence)
        return Label(repeated, write.fence < highest)


class LedgerClient:
    """An instance's connection to the ledger; effects of concurrent runs take turns."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> "LedgerClient":
        self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def effect(self, run: str, fire: Fire, fence: int | None, scope: str) -> Label:
        """Make a run's one effect; once begun it is not cancelled half way."""
        write = Write(run, fire.job, fire.due_ms, scope, fence)
        return await asyncio.shield(self._send(write))

    async def _send(self, write: Write) -> Label:
        async with self._turn:
            self._writer.write(msgspec.json.encode(write) + b"\n")
            return msgspec.json.decode(await self._reader.readline(), type=Label)


async def serve(socket: Path, events: Path, offset_s: float) -> None:
    """Serve the ledger until SIGTERM, appending every effect to `events`."""
    ledger = Ledger()
    recorder = Recorder(events, "ledger", host_clock(offset_s))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                write = msgspec.json.decode(line, type=Write)
                label = ledger.store(write)
                recorder.record(_effect(write, label))
                writer.write(msgspec.json.encode(label) + b"\n")
        writer.close()

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_unix_server(answer, socket)
    await stop.wait()
    server.close()


def _effect(write: Write, label: Label) -> Effect:
    return Effect(
        instance=write.run.rpartition(":")[0],
        run=write.run,
        job=write.job,
        due_ms=write.due_ms,
        fence=write.fence,
        repeated=label.repeated,
        stale=label.stale,
    )


def main() -> None:
    """`python -m bench.ledger SOCKET EVENTS OFFSET_S`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    socket, events, offset_s = sys.argv[1:]
    asyncio.run(serve(Path(socket), Path(events), float(offset_s)))


if __name__ == "__main__":
    main()
