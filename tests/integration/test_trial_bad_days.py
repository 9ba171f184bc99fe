"""Trials on bad days: a server that dies, an instance that cannot start, a disk that is full."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench.config import InstanceConfig, write_config
from bench.fleet import Fleet
from bench.history import merge
from bench.judge import judge
from bench.leftovers import Registration
from bench.plan import Plan
from bench.scenarios import scenario
from bench.services import provide
from bench.trial import Conduct, conduct
from bench.workload import default_workload
from strategies.catalogue import design, source
from strategies.interface import Design
from strategies.model import Timing

pytestmark = pytest.mark.servers


def plan(of: Design) -> Plan:
    return Plan(
        design=of,
        scenario=scenario("steady"),
        instances=2,
        workload=default_workload(2, 1.0),
        timing=Timing(),
        k=1,
        seed=1,
    )


def reasons(done: Conduct) -> list[str]:
    table, _ = merge(done.events)
    verdict = judge(table, done.plan.record(problems=done.problems)).verdict
    assert verdict.status == "invalid"
    return verdict.reasons


@pytest.fixture
def registration(tmp_path: Path):
    with Registration(tmp_path / "registrations") as one:
        yield one


async def test_a_server_that_dies_during_a_trial_makes_it_invalid_and_is_named(
    tmp_path: Path, registration: Registration
) -> None:
    service = provide("redis", tmp_path, "embedded", registration=registration)
    await service.start()
    killed = asyncio.Event()

    def kill_under_load(phase: str) -> None:
        if phase == "load":
            killed.set()

    async def killer() -> None:
        await killed.wait()
        await service.kill()

    try:
        killing = asyncio.create_task(killer())
        of = plan(design("redis-lock"))
        done = await conduct(of, {"redis": service}, registration, tmp_path / "t", kill_under_load)
        await killing
    finally:
        await service.stop()
    assert any("redis" in reason for reason in reasons(done)), reasons(done)


async def test_an_instance_that_cannot_start_is_named_with_its_last_words(
    tmp_path: Path, registration: Registration
) -> None:
    broken = replace(design("uncoordinated"), adapters=("no.such.module",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strategies.catalogue.from_source", lambda *_: broken)
        patch.setattr("bench.fleet.source", lambda name: "no.such.module:DESIGN")
        done = await conduct(plan(broken), {}, registration, tmp_path / "t")
    assert any("no" in reason and "module" in reason.lower() for reason in reasons(done))


def test_an_instance_that_cannot_write_its_history_ends_with_one_and_says_why(
    tmp_path: Path,
) -> None:
    """Its file is /dev/full, which answers every write as a full disk does."""
    config = InstanceConfig(
        name="i1",
        strategy="uncoordinated",
        source=source("uncoordinated"),
        endpoints={},
        namespace="cb",
        timing=Timing(),
        seed=1,
        jobs=[],
        work={},
        events="/dev/full",
        ledger=str(tmp_path / "ledger"),
        offset_s=0.0,
    )
    write_config(config, tmp_path / "i1.json")
    done = subprocess.run(
        [sys.executable, "-m", "bench.instance", str(tmp_path / "i1.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr.splitlines()[-1]


async def test_a_fleet_that_is_told_to_end_while_it_starts_leaves_no_nursery(
    tmp_path: Path, registration: Registration
) -> None:
    fleet = Fleet(design("uncoordinated"), registration, tmp_path)
    before = set(psutil.Process().children())
    starting = asyncio.create_task(fleet.__aenter__())
    while not (nurseries := set(psutil.Process().children()) - before):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)  # it is known by now, and needs ten times as long to be ready
    starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled()
    assert not any(one.is_running() for one in nurseries)
