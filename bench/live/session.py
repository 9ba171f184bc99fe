"""`coordbench up` from its settings to its exit code: services, a fleet, and its kept history."""

import asyncio
import signal
from contextlib import AsyncExitStack, ExitStack, closing
from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console

from bench.commands import clean_up
from bench.environment import environment
from bench.errors import BenchError, Exit, told
from bench.judge import Judgement, summary
from bench.leftovers import Registration, private_directory
from bench.live.control import announced, served
from bench.live.findings import warm_up
from bench.live.plan import NAME, Asked, LivePlan, judged_by, plan_of
from bench.live.screen import Screen
from bench.live.trial import LiveTrial
from bench.results import Results
from bench.room import full, require_room, told_when_full
from bench.services import NoAnswer, Service, ServiceUnavailable, provide
from bench.trial import Conduct
from bench.watchdog import watched
from strategies.errors import StrategyError


class NotUp(BenchError):
    """The fleet could not be brought up; the message says which part failed."""


def run_up(asked: Asked, out: Path) -> int:
    """Keep a fleet up until it is stopped, judge its history and keep it; the exit code."""
    plan = plan_of(asked)
    console = Console(highlight=False)
    clean_up(console)
    with told_when_full(), ExitStack() as stack:
        registration = stack.enter_context(Registration())
        stack.enter_context(watched(registration))
        private = stack.enter_context(private_directory(registration))
        socket = private / "control"
        stack.enter_context(announced(asked.fleet, socket, plan.design.name, plan.instances))
        session = _Session(asked, plan, out, Screen(console), registration, private)
        return asyncio.run(session.run(socket))


class _Session:
    """The state of one `coordbench up`."""

    def __init__(
        self,
        asked: Asked,
        plan: LivePlan,
        out: Path,
        screen: Screen,
        registration: Registration,
        private: Path,
    ) -> None:
        self._asked = asked
        self._plan = plan
        self._out = out
        self._screen = screen
        self._registration = registration
        self._private = private
        self._started = datetime.now().astimezone().isoformat(timespec="seconds")

    async def run(self, socket: Path) -> int:
        """Bring the fleet up, keep it, end it; the exit code."""
        done = Conduct(self._plan, self._private / "events", self._private / "logs")
        for folder in (done.events, done.logs):
            folder.mkdir()
        async with AsyncExitStack() as stack:
            services, _ = await asyncio.gather(
                self._start_services(stack), asyncio.to_thread(warm_up)
            )
            trial = LiveTrial(
                self._plan, services, self._registration, done, self._private, self._screen
            )
            await stack.enter_async_context(served(socket, trial.obey))
            self._on_signals(trial)
            await self._conduct(trial, done)
            judgement, place = self._keep(trial, done, services)
            said = [*summary(judgement), *self._last_words(place)]
            trial.stopped.set_result(said)
            for line in said:
                self._screen.step(line)
        return Exit.KEPT if self._plan.design.kind == "control" else judgement.exit_code

    async def _start_services(self, stack: AsyncExitStack) -> dict[str, Service]:
        started: dict[str, Service] = {}
        for name in self._plan.design.services:
            try:
                service = provide(name, self._private, registration=self._registration)
                self._screen.step(f"{name}: starting ({service.provider})")
                await service.start()
            except ServiceUnavailable as error:
                require_room(self._private)
                raise NotUp(f"{error} (coordbench doctor says what can be had here)") from error
            stack.push_async_callback(service.stop)
            started[name] = service
        return started

    def _on_signals(self, trial: LiveTrial) -> None:
        """Ctrl-C, SIGTERM and a closed terminal end it in order; a second one at once."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None

        def end() -> None:
            if trial.stop.is_set() or not trial.running:
                task.cancel()
            trial.stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, end)
        if self._asked.stop_after_s is not None:
            trial.stop_after(self._asked.stop_after_s)

    async def _conduct(self, trial: LiveTrial, done: Conduct) -> None:
        with closing(trial):
            try:
                async with AsyncExitStack() as stack:
                    await trial.run(stack)
            except (BenchError, StrategyError, NoAnswer, OSError) as error:
                if full(error):
                    raise
                if not trial.began:
                    raise NotUp(f"the fleet did not start: {str(error) or told(error)}") from error
                done.problems.append(told(error))
            trial.end()
            require_room(self._private)

    def _keep(
        self, trial: LiveTrial, done: Conduct, services: dict[str, Service]
    ) -> tuple[Judgement, Path]:
        self._screen.step("judging the whole history")
        versions = {name: f"{one.version} ({one.provider})" for name, one in services.items()}
        record = self._plan.record(1, done.problems, versions, self._started)
        results = Results.create(
            self._out,
            f"{NAME}-{self._plan.design.name}",
            now=datetime.now(),
            config=msgspec.to_builtins(self._asked),
            environment=environment({}),
        )
        record = judged_by(record, self._plan.design, trial.kinds)
        judgement = results.keep(record, done.events, done.logs)
        results.write_matrix()
        return judgement, results.path

    def _last_words(self, place: Path) -> list[str]:
        return [f"coordbench check {place}", f"coordbench report {place}", f"kept in {place}"]
