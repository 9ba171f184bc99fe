"""Owning a job's lock for one run: renew it in time, cancel the run on doubt, give it back."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from strategies.errors import JobFailed, ServiceLost
from strategies.interface import Member
from strategies.lock.port import Kept, LockStore
from strategies.lock.timing import LockTiming
from strategies.model import Fire
from strategies.notes import Coordinated, ForeignRelease, Granted, Lost, Released


class Owner:
    """The owner of a job's lock, from its grant (asked for at `asked_s`, monotonic) to its end."""

    def __init__(
        self,
        member: Member,
        store: LockStore,
        timing: LockTiming,
        fire: Fire,
        token: str,
        fence: int | None,
        asked_s: float,
    ) -> None:
        self._member = member
        self._store = store
        self._timing = timing
        self._fire = fire
        self._token = token
        self._fence = fence
        self._asked_s = asked_s
        self._renewed_s = asked_s  # when the attempt began that last prolonged the lease

    async def run(self, hold_s: float) -> bool:
        """Run the fire and give the lock back; False if the run was cancelled for doubt.

        The lock is kept for at least `hold_s` seconds after its grant.
        """
        self._member.note(Granted(subject=self._fire.job, fence=self._fence))
        run = asyncio.create_task(self._member.run(self._fire, self._fence))
        try:
            doubt = await self._keep_while(run)
        finally:
            await _end(run)
        if doubt:
            self._member.note(Lost(subject=self._fire.job, reason=doubt))
            await self._abandon()
            return False
        if (error := run.exception()) and not isinstance(error, JobFailed):
            raise error
        await self._give_back(hold_s)
        return True

    async def _keep_while(
        self, task: asyncio.Task[Any], worth_it: Callable[[], bool] = lambda: True
    ) -> str:
        """Renew the lock until the task ends; returns early with the reason for doubt."""
        renew_at_s = self._renewed_s + self._timing.renew_s
        while not task.done() and worth_it():
            until_s = min(renew_at_s, self._trusted_until_s)
            await asyncio.wait({task}, timeout=max(0.0, until_s - self._now_s()))
            if task.done() or not worth_it():
                break
            if self._now_s() >= self._trusted_until_s:
                return "not renewed in time"
            began_s = self._now_s()
            kept = await self._renew()
            if kept is Kept.REFUSED and not task.done():
                return "renewal refused"
            renew_at_s = (began_s if kept else self._now_s()) + (
                self._timing.renew_s if kept else self._timing.poll_s
            )
        return ""

    async def _renew(self) -> Kept | None:
        """One renewal, given up when the lease is not to be trusted any more; None if unknown."""
        began_s = self._now_s()
        try:
            async with asyncio.timeout(self._trusted_until_s - began_s):
                kept = await self._store.renew(self._fire.job, self._token, self._timing.ttl_s)
        except (ServiceLost, TimeoutError):
            self._note("renew", began_s, "error")
            return None
        self._judge("renew", began_s, kept)
        if kept is not Kept.REFUSED:
            self._renewed_s = began_s
        return kept

    async def _give_back(self, hold_s: float) -> None:
        """Release the lock after a run that ended, and keep it until the release is answered.

        Until then the store does not know that the fire is settled: whoever got the lock would
        run it again. Where the store remembers nothing (and so gives no fence) there is nothing to
        tell, and a lock that is kept for longer would only keep the next fire from being run.
        """
        ended_s = self._now_s()

        def worth_it() -> bool:
            patient = self._now_s() < ended_s + self._timing.wait_s
            return patient and not self._member.stopping.is_set()

        release = asyncio.create_task(self._release(hold_s))
        try:
            if self._fence is not None:
                await self._keep_while(release, worth_it)
            await release
        finally:
            await _end(release)

    async def _release(self, hold_s: float) -> None:
        """Ask for the release until there is an answer, for as long as the lease may last.

        A release that was done and not answered may be repeated: it is the token's, and what it
        does a second time is nothing, also when somebody else has been granted the lock since.
        """
        while True:
            began_s = self._now_s()
            left_s = max(0.0, self._asked_s + hold_s - began_s)
            try:
                kept = await self._store.release(
                    self._fire.job, self._token, self._fire.due_ms, left_s
                )
            except ServiceLost:
                self._note("release", began_s, "error")
            else:
                self._judge("release", began_s, kept)
                self._end_ownership(kept)
                return
            if self._now_s() >= self._renewed_s + self._timing.ttl_s:
                self._member.note(Lost(subject=self._fire.job, reason="could not release"))
                return
            await asyncio.sleep(self._timing.poll_s)

    async def _abandon(self) -> None:
        """Try once to give back a lock in doubt, so that the fire need not wait for its end."""
        began_s = self._now_s()
        try:
            kept = await self._store.release(self._fire.job, self._token, 0, 0.0)
        except ServiceLost:
            self._note("release", began_s, "error")
        else:
            self._judge("release", began_s, kept)

    def _end_ownership(self, kept: Kept) -> None:
        if kept is Kept.REFUSED:
            self._member.note(Lost(subject=self._fire.job, reason="release refused"))
        else:
            self._member.note(Released(subject=self._fire.job))

    def _judge(self, action: str, began_s: float, kept: Kept) -> None:
        self._note(action, began_s, "lost" if kept is Kept.REFUSED else "ok")
        if kept is Kept.FOREIGN:
            self._member.note(ForeignRelease(subject=self._fire.job))

    def _note(self, action: str, began_s: float, outcome: Literal["ok", "lost", "error"]) -> None:
        self._member.note(
            Coordinated(
                action=action,
                seconds=self._now_s() - began_s,
                outcome=outcome,
                job=self._fire.job,
                due_ms=self._fire.due_ms,
            )
        )

    def _now_s(self) -> float:
        return self._member.clock.monotonic()

    @property
    def _trusted_until_s(self) -> float:
        return self._renewed_s + self._timing.ttl_s - self._timing.margin_s


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel the task if it is still going, and wait until it has taken notice."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
