"""A trial without an end: the fleet runs, people break it, and it is judged while it runs.

The steps are those of every trial (bench.trial). In place of a load that ends and faults by plan
there is a loop that reads the history, shows it, judges what can still change, and obeys.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.due import declared
from bench.errors import told
from bench.events import RunStarted
from bench.fleet import Fleet
from bench.leftovers import Registration
from bench.live.control import Refused
from bench.live.findings import Findings, judge
from bench.live.injections import Injections
from bench.live.plan import LivePlan
from bench.live.protocol import Answer, Heal, Request, Stop, Strike, Tell
from bench.live.screen import Screen
from bench.live.view import View, status_lines
from bench.live.watch import Watch, WatchedHistory
from bench.live.window import Window
from bench.services import Service
from bench.targets import Targets
from bench.trial import Conduct, Trial
from strategies.notes import Event, Skipped

READ_S = 0.02
JUDGE_S = 0.5
JUDGE_SHARE = 0.1  # of the time at most, whatever the load ...
SELDOM_S = 5.0  # ... but not more seldom than this
SHOW_S = 0.25
_SAID = {
    "healthy": "starting the fleet",
    "load": "jobs are due now; break something with coordbench chaos, end it with Ctrl-C",
    "done": "ending the fleet",
}
KEEP_MORE_S = 10.0  # beyond all bounds: somebody who pauses an instance is slow


class LiveTrial(Trial):
    """A fleet that is up. `stop` ends it; `shown` is where it is seen."""

    def __init__(
        self,
        plan: LivePlan,
        services: Mapping[str, Service],
        registration: Registration,
        done: Conduct,
        private: Path,
        shown: Screen,
    ) -> None:
        super().__init__(plan, services, registration, done, private, self._phase_told, 1)
        self.stop = asyncio.Event()
        self.stopped: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self.watch = Watch()
        self.live = WatchedHistory(done.events, self._take)
        self.kinds: set[str] = set()
        self._shown = shown
        self._window: Window | None = None
        self._findings: Findings | None = None
        self._injections: Injections | None = None
        self._stop_s = 0.0
        self._stop_after_s = float("inf")
        self._latest_ms = 0

    def _phase_told(self, name: str) -> None:
        if name in _SAID:
            self._shown.step(_SAID[name])

    @property
    def began(self) -> bool:
        """Whether jobs have begun to fire."""
        return self._window is not None

    @property
    def running(self) -> bool:
        """Whether jobs fire now."""
        return self.began and not self._stop_s

    def stop_after(self, seconds: float) -> None:
        """End by itself after so much load."""
        self._stop_after_s = seconds

    async def obey(self, request: Request) -> Answer:
        """Do what somebody asks from another terminal."""
        if isinstance(request, Stop):
            self.stop.set()
            return Answer(await asyncio.shield(self.stopped))
        if self._injections is None or not self.running:
            raise Refused("the fleet is not running: it is starting or ending; try again")
        match request:
            case Strike():
                return Answer(await self._injections.strike(request))
            case Heal(ids=ids):
                return Answer(await self._injections.heal(ids))
            case Tell():
                return Answer(status_lines(self.view()))

    def view(self) -> View:
        """What there is to see now."""
        assert self._window is not None
        assert self._findings is not None
        assert self._injections is not None
        return View(
            plan=self.plan,
            now_s=self.clock(),
            since_s=self._window.since_s,
            watch=self.watch,
            live=self.live,
            findings=self._findings,
            instances=list(self._injections.targets.fleet.instances.values()),
            injections=list(self._injections.active.values()),
        )

    async def _load(self, fleet: Fleet, start_s: float) -> None:
        """Run until told to stop."""
        self._open(fleet, start_s)
        assert self._injections is not None
        judging = asyncio.create_task(self._judge())
        judging.add_done_callback(self._stop_judging)
        try:
            async with self._shown.showing(self.view):
                await self._until_stopped()
        finally:
            judging.cancel()
            await asyncio.gather(judging, return_exceptions=True)
            await self._injections.heal_for_good()

    async def _quiet(self) -> None:
        """Runs that are open end while the fleet stops: nothing new is due from here on."""
        self._stop_s = self.clock()

    def _open(self, fleet: Fleet, start_s: float) -> None:
        plan, bounds = self.plan, self.plan.bounds
        slowest_s = max(bounds.failover_s or 0.0, bounds.recovery_s or 0.0, 2 * plan.lease_s)
        settle_s = slowest_s + KEEP_MORE_S
        longest_s = plan.workload.longest_run_s + plan.workload.period_s
        self._window = Window(
            jobs=self.jobs,
            declared=[declared(job, plan.design) for job in self.jobs],
            since_s=start_s,
            lease_s=plan.lease_s,
            keep_s=2 * settle_s + longest_s,
        )
        self._findings = Findings(settle_s)
        services = {name: self.services[name] for name in plan.design.services}
        targets = Targets(fleet, services, self.live, plan.workload, self.rng, self.clock)
        self._injections = Injections(
            targets, self.recorder, partial(self._fork, fleet), self._tell, kinds=self.kinds
        )

    async def _until_stopped(self) -> None:
        shown_s = 0.0
        assert self._window is not None
        end_s = self._window.since_s + self._stop_after_s
        while not self.stop.is_set() and self.clock() < end_s:
            self.live.read()
            if time.monotonic() - shown_s >= SHOW_S:
                self._shown.show()
                shown_s = time.monotonic()
            await asyncio.sleep(READ_S)

    async def _judge(self) -> None:
        """Judge what can still change, again and again."""
        assert self._window is not None
        assert self._findings is not None
        while True:
            began_s = time.monotonic()
            snapshot = self._window.snapshot(self.clock())
            # In a thread: whoever aims a fault must not wait for a judgement.
            fates = await asyncio.to_thread(judge, snapshot, self.plan.bounds.failover_s or 0.0)
            for line in self._findings.take(fates, snapshot, self._window):
                self._tell(line)
            took_s = time.monotonic() - began_s
            await asyncio.sleep(min(max(JUDGE_S, took_s / JUDGE_SHARE), SELDOM_S))

    def _stop_judging(self, judging: asyncio.Task[None]) -> None:
        if not judging.cancelled() and (error := judging.exception()):
            self._tell(
                f"judging while it runs has failed ({told(error)}); the end will judge it all"
            )

    def _take(self, events: Sequence[Event]) -> None:
        self.watch.take(events)
        for event in events:
            if isinstance(event, (RunStarted, Skipped)):
                self._latest_ms = max(self._latest_ms, event.due_ms)
        if self._window is not None:
            self._window.take(events)

    def _tell(self, line: str) -> None:
        self.watch.tell(self.clock(), line)

    def _header(self) -> None:
        """Write what should have happened until it was stopped; later fires are too recent."""
        self.live.read()  # what ran while the fleet ended was due too
        until_s = self._stop_s or self.clock()
        last_ms = max(round(until_s * 1000), self._latest_ms)
        self._tell_due(until_s, lambda job: last_ms)
