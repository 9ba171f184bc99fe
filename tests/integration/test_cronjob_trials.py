"""Whole trials of CronJob on the real controllers, all of them over the same two minutes.

What the contract suite asks of other strategies in simulation is asked here: some trials are of the
designs as the catalogue has them; three are of mutants that the checks must catch, or what they say
of the sound ones would mean nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_kubernetes_cronjob import SCENES

from bench.config import Work
from bench.history import merge
from bench.judge import Judgement, judge
from bench.leftovers import Registration
from bench.plan import Plan
from bench.services.kubernetes.control_plane import ControlPlane
from bench.settings import Size, plan, settings_from
from bench.trial import conduct
from bench.workload import Workload
from strategies.catalogue import design
from strategies.cronjob.manifests import Settings
from strategies.cronjob.strategy import CronJobStrategy
from strategies.interface import Design

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(900)]

SIZE = Size(2, 3)
Scene = Callable[[ControlPlane, Path], Coroutine[Any, Any, None]]


class TwoDueTimes(Plan):
    """A trial whose load holds two due times, whatever its scenario asks for."""

    @property
    def load_s(self) -> float:
        return 65.0


def mutant(**settings: Any) -> Design:
    """CronJob with other settings than its promise is made for."""

    def make(*given: Any) -> CronJobStrategy:
        return CronJobStrategy(*given, Settings(toleration_s=0, **settings))

    return replace(design("cronjob"), make=make)


def planned(scenario: str, one: Design | None = None, run_s: float | None = None) -> Plan:
    settings = settings_from("quick", strategies=["cronjob"], scenarios=[scenario])
    made = plan(settings, "cronjob", scenario, SIZE, 1)
    workload = made.workload
    if run_s:
        workload = Workload(workload.jobs, {job.name: Work(run_s) for job in workload.jobs})
    return TwoDueTimes(
        one or made.design, made.scenario, made.instances, workload, made.timing, 1, made.seed
    )


PLANS = {
    "steady": planned("steady"),
    "crash": planned("crash"),
    "pause": planned("pause"),
    "partition": planned("partition"),
    "allow": planned("crash", design("cronjob-allow")),
    "replace": planned("crash", design("cronjob-replace")),
    "suspended": planned("steady", mutant(suspend=True)),
    "once-only": planned("crash", mutant(backoff_limit=0)),
    "overlapping": planned("steady", mutant(concurrency="Allow"), run_s=68.0),
}


@dataclass
class Told:
    """A conducted trial, as its history tells it."""

    events: list[dict[str, Any]]
    judgement: Judgement

    @property
    def said(self) -> str:
        return str(self.judgement.verdict)

    @property
    def broken(self) -> set[str]:
        return {one.promise for one in self.judgement.verdict.broken}

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        chosen = {"type": kind, **fields}
        return [e for e in self.events if all(e[key] == value for key, value in chosen.items())]


@dataclass
class Lane:
    """What all trials and scenes have come to: of a scene, the error that it ended with, if any."""

    told: dict[str, Told]
    scenes: dict[str, BaseException | None]

    @property
    def is_valid(self) -> bool:
        return all(one.judgement.verdict.status != "invalid" for one in self.told.values())


async def conduct_all(plane: ControlPlane, folder: Path, attempt: int = 1) -> Lane:
    """Everything at once, the controllers limited as a bench limits them for so many trials."""
    await plane.retime(PLANS["steady"].timing, len(PLANS) + len(SCENES))

    async def one(name: str, trial: Plan) -> tuple[str, Told]:
        with Registration(folder / "registrations") as registration:
            services = {"kubernetes": plane}
            done = await conduct(trial, services, registration, folder / name, attempt=attempt)
        table, _ = merge(done.events)
        judgement = judge(table, trial.record(problems=done.problems))
        return name, Told(table.to_pylist(), judgement)

    async def beside(scene: Scene) -> BaseException | None:
        own = folder / scene.__name__
        own.mkdir()
        [error] = await asyncio.gather(scene(plane, own), return_exceptions=True)
        return error

    trials = asyncio.gather(*(one(*item) for item in PLANS.items()))
    scenes = await asyncio.gather(*(beside(scene) for scene in SCENES))
    names = [scene.__name__ for scene in SCENES]
    return Lane(dict(await trials), dict(zip(names, scenes, strict=True)))


@pytest.fixture(scope="module")
def lane(
    control_plane: ControlPlane,
    tmp_path_factory: pytest.TempPathFactory,
    alone: Callable[[], AbstractContextManager[None]],
) -> Iterator[Lane]:
    """As in a bench, what the machine was too busy for is conducted again: with nothing beside."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    lane = asyncio.run(conduct_all(control_plane, tmp_path_factory.mktemp("cronjob")))
    if not lane.is_valid:
        with alone():
            lane = asyncio.run(conduct_all(control_plane, tmp_path_factory.mktemp("cronjob"), 2))
    yield lane
    left = {child.pid for child in psutil.Process().children(recursive=True)}
    servers = set(control_plane.pids)  # of which the lane starts one anew
    assert left <= before | servers, "trials left processes behind"


@pytest.fixture
def told(lane: Lane) -> dict[str, Told]:
    return lane.told


@pytest.mark.parametrize("scene", [scene.__name__ for scene in SCENES])
def test_the_real_controllers_do_as_they_say(lane: Lane, scene: str) -> None:
    """Scenes of test_kubernetes_cronjob, which make their own assertions."""
    if error := lane.scenes[scene]:
        raise error


@pytest.mark.parametrize("name", ["steady", "crash", "pause", "partition", "allow", "replace"])
def test_the_real_controllers_keep_what_the_design_promises(
    told: dict[str, Told], name: str
) -> None:
    assert told[name].judgement.verdict.status == "ok", told[name].said
    assert told[name].judgement.metrics is not None
    assert told[name].judgement.metrics.fires == 2 * SIZE.jobs


def test_in_health_every_fire_runs_once_and_knows_its_due_time(told: dict[str, Told]) -> None:
    due = sorted((e["job"], e["due_ms"]) for e in told["steady"].of("due"))
    assert sorted((e["job"], e["due_ms"]) for e in told["steady"].of("run-started")) == due
    assert all(e["fence"] is None for e in told["steady"].of("run-started"))


def test_the_loss_of_a_node_is_told_in_its_steps(told: dict[str, Told]) -> None:
    crash = told["crash"]
    [fault] = crash.of("fault-began")
    victim, job = fault["instance"], fault["job"]
    [lost] = crash.of("platform", what="node-not-ready", subject=victim)

    def next_one(what: str) -> dict[str, Any]:
        """Pods of fires before the load are deleted as well: for the Jobs' history limit."""
        return next(e for e in crash.of("platform", what=what, job=job) if e["t"] > fault["t"])

    evicted, replaced = next_one("pod-deleted"), next_one("pod-created")
    rerun = next(e for e in crash.of("run-started", job=job) if e["instance"] != victim)
    assert fault["t"] < lost["t"] < evicted["t"] < replaced["t"] <= rerun["t"] + 0.1
    [followed] = crash.judgement.metrics.faults  # type: ignore[union-attr]
    assert followed.recovery_s is not None
    assert 10 < followed.recovery_s < crash.judgement.metrics.recovery_bound_s  # type: ignore


def test_what_forbid_holds_up_after_a_loss_is_told_and_stays_missed(told: dict[str, Told]) -> None:
    """Its last run has ended, so that no open run excuses it; the dead Node does."""
    crash = told["crash"]
    held = {f"{e['job']}@{e['due_ms']}" for e in crash.of("skipped")}
    assert held
    assert set(crash.judgement.verdict.fires["missed"]) == held


@pytest.mark.parametrize("name", ["allow", "replace"])
def test_without_forbid_a_loss_holds_up_nothing(told: dict[str, Told], name: str) -> None:
    assert "missed" not in told[name].judgement.verdict.fires
    assert not told[name].of("skipped")


@pytest.mark.parametrize("name", ["pause", "partition"])
def test_a_node_that_comes_back_has_had_its_run_run_elsewhere(
    told: dict[str, Told], name: str
) -> None:
    [began] = told[name].of("fault-began")
    runs = told[name].of("run-started", job=began["job"])
    elsewhere = [e for e in runs if e["instance"] != began["instance"] and e["t"] > began["t"]]
    bound_s = told["crash"].judgement.metrics.recovery_bound_s  # type: ignore[union-attr]
    assert 10 < elsewhere[0]["t"] - began["t"] < bound_s


def test_a_suspended_cron_job_is_caught(told: dict[str, Told]) -> None:
    assert told["suspended"].broken == {"none missed"}, told["suspended"].said
    assert not told["suspended"].of("run-started")


def test_a_job_that_is_not_tried_again_is_caught(told: dict[str, Told]) -> None:
    assert told["once-only"].broken >= {"none left interrupted", "recovery in time"}


def test_allow_where_forbid_is_promised_is_caught(told: dict[str, Told]) -> None:
    """Runs of 68 s every 60 s: also one that starts late begins before the last one ends."""
    assert told["overlapping"].broken == {"no overlaps"}, told["overlapping"].said
    metrics = told["overlapping"].judgement.metrics
    assert metrics is not None
    assert metrics.counts["overlap"] == SIZE.jobs
