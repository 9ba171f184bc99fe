"""What runs beside the fleet of every trial: the ledger and the probe.

The ledger (bench.ledger) takes the fleet's effects, the probe (bench.probe) measures how late this
machine wakes up who sleeps. Both are processes of the harness: no fault is aimed at them.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.errors import TrialError
from bench.fleet import last_words
from bench.leftovers import Registration
from bench.nursery import tied_to_us

HELPERS_S = 20.0  # in which both must be ready


@asynccontextmanager
async def ledger_and_probe(
    registration: Registration,
    socket: Path,
    events: Path,
    logs: Path,
    offset_s: float,
    seed: int,
    problems: list[str],
) -> AsyncIterator[None]:
    """While open, both run: effects are taken at `socket`, both write into `events` and `logs`.

    `offset_s` makes the host's monotonic clock read as the trial's. Raises TrialError when one does
    not start; one that ended before its time is added to `problems`.
    """
    offset = str(offset_s)
    async with AsyncExitStack() as stack:
        ledger = await Helper.start(
            registration, logs / "ledger.log", "bench.ledger",
            str(socket), str(events / "ledger.jsonl"), offset,
        )  # fmt: skip
        stack.push_async_callback(ledger.stop)
        probe = await Helper.start(
            registration, logs / "probe.log", "bench.probe",
            str(events / "probe.jsonl"), offset, str(seed),
        )  # fmt: skip
        stack.push_async_callback(probe.stop)
        await _until_there([socket, events / "probe.jsonl"], logs, ledger, probe)
        yield
        if not (ledger.alive and probe.alive):
            problems.append("the ledger or the probe died during the trial")


async def _until_there(signs: Sequence[Path], logs: Path, *helpers: "Helper") -> None:
    """Wait until the helpers have made what shows that they are ready."""
    deadline_s = time.monotonic() + HELPERS_S
    while not all(sign.exists() for sign in signs):
        late = time.monotonic() > deadline_s
        if late or not all(helper.alive for helper in helpers):
            words = last_words([logs / f"{name}.log" for name in ("ledger", "probe")])
            when = f" within {HELPERS_S:g} s" if late else ""
            raise TrialError(
                f"a helper of the trial did not start{when}: {words or 'it said nothing'}"
            )
        await asyncio.sleep(0.01)


class Helper:
    """A helper process of the harness (ledger, probe), ended by SIGTERM."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, registration: Registration, log: Path, module: str, *arguments: str
    ) -> "Helper":
        """Run `python -m module arguments`, its output in `log`."""
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=tied_to_us(),
            )  # fmt: skip
        registration.process(process.pid, module)
        return cls(process)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.returncode is None

    async def stop(self) -> None:
        """End the process and wait for it."""
        if self.alive:
            self._process.terminate()
        await self._process.wait()
