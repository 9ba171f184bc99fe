"""A strategy in one file: replicas on one host share a lock file per job (flock(2)).

1. When a fire is due, every instance tries to lock the job's file, without waiting.
2. The winner reads the last due time from the file. If it is this fire's or a later one, somebody
   has run it. Otherwise the winner runs it and writes the due time down.
3. A loser tries again until the fire is written down.

Clocks: due times only. Failure: the kernel releases the lock when its owner dies, so there is no
lease to wait for and nothing expires under a paused owner. What it does NOT do: work across hosts.
"""

import asyncio
import contextlib
import fcntl
import os
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from strategies.errors import JobFailed
from strategies.interface import NOTHING, Bounds, Design, Endpoints, Member, Promise
from strategies.model import Fire, Job, Timing
from strategies.notes import Coordinated, Skipped
from strategies.pacing import due_fires, now_ms, until_stopped
from strategies.schedule import fires_between, split_misfires

RETRY_S = 0.05


class FileLock:
    """The strategy; its lock files lie in a folder named after the namespace."""

    def __init__(
        self, endpoints: Endpoints, namespace: str, timing: Timing, rng: random.Random
    ) -> None:
        self._folder = Path(tempfile.gettempdir()) / f"coordbench-flock-{namespace}"

    async def prepare(self, jobs: Sequence[Job]) -> None:
        self._folder.mkdir(mode=0o700)

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        await until_stopped(member, *(self._follow(member, job) for job in jobs))

    async def clean_up(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _follow(self, member: Member, job: Job) -> None:
        done_ms = now_ms(member)
        async for fire in due_fires(member, job, done_ms):
            if fire.due_ms <= done_ms:
                continue
            overdue = list(fires_between(job, done_ms, max(now_ms(member), fire.due_ms)))
            to_run, skipped = split_misfires(job, overdue)
            for late in skipped:
                member.note(Skipped(job=job.name, due_ms=late.due_ms, reason="misfire"))
            for one in to_run:
                await self._race(member, one)
                done_ms = one.due_ms

    async def _race(self, member: Member, fire: Fire) -> None:
        while not await self._try(member, fire):
            await asyncio.sleep(RETRY_S)

    async def _try(self, member: Member, fire: Fire) -> bool:
        """True once the fire is known to have run."""
        began_s = member.clock.monotonic()
        file = os.open(self._folder / fire.job, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if int(os.read(file, 20) or 0) >= fire.due_ms:
                return True
            took_s = member.clock.monotonic() - began_s
            member.note(
                Coordinated(
                    action="acquire",
                    seconds=took_s,
                    outcome="won",
                    job=fire.job,
                    due_ms=fire.due_ms,
                )
            )
            await _run(member, fire)
            os.pwrite(file, b"%020d" % fire.due_ms, 0)
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(file)


async def _run(member: Member, fire: Fire) -> None:
    with contextlib.suppress(JobFailed):  # no retries: the fire counts as failed
        await member.run(fire, None)


DESIGN = Design(
    name="flock",
    family="example",
    summary="A lock file per job, for replicas on one host.",
    services=(),
    make=FileLock,
    promise=Promise(under={"steady": NOTHING, "crash": NOTHING, "pause": NOTHING}, recovers=True),
    bounds=lambda timing: Bounds(failover_s=RETRY_S + 0.1, recovery_s=RETRY_S + 0.1),
    kind="variant",
    fence_scope=None,
)
