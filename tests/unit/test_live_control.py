"""How a fleet that is up is found and asked, and what it answers to what cannot be."""

import asyncio
import os
from pathlib import Path

import pytest

from bench.errors import BadArguments
from bench.live import control
from bench.live.control import NoFleet, Refused, announced, ask, fleets, served
from bench.live.protocol import Answer, Heal, Request, Stop, Tell
from bench.live.words import lasting, span


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control"


async def obey(request: Request) -> Answer:
    if isinstance(request, Heal):
        raise Refused("nothing to heal: no fault is injected")
    return Answer(["well"])


async def test_a_fleet_is_found_by_its_name_and_answers(path: Path) -> None:
    with announced("default", path, "redis-lock", 3):
        async with served(path, obey):
            assert await ask(control.find("default"), Tell()) == ["well"]
            assert control.find(None).strategy == "redis-lock"
    assert not fleets()


async def test_a_refusal_is_one_line_and_the_fleet_goes_on(path: Path) -> None:
    with announced("default", path, "redis-lock", 3):
        async with served(path, obey):
            with pytest.raises(Refused, match="nothing to heal"):
                await ask(control.find(None), Heal())
            assert await ask(control.find(None), Tell()) == ["well"]


async def test_what_is_no_request_is_refused_too(path: Path) -> None:
    async with served(path, obey):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"type": "explode"}\n')
        assert b"not a request" in await reader.readline()
        writer.close()


async def test_whoever_waits_for_the_end_gets_the_last_answer(path: Path) -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def until_ended(request: Request) -> Answer:
        await ended
        return Answer(["kept in results"])

    with announced("default", path, "redis-lock", 3):
        where = control.find(None)
        async with served(path, until_ended):
            waiting = asyncio.create_task(ask(where, Stop()))
            await asyncio.sleep(0.05)
            ended.set_result(None)
        assert await waiting == ["kept in results"]


async def test_a_fleet_that_ends_meanwhile_is_said_to_have_ended(path: Path) -> None:
    async def never(request: Request) -> Answer:
        await asyncio.Event().wait()
        return Answer()

    with announced("default", path, "redis-lock", 3):
        where = control.find(None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(control, "LAST_ANSWER_S", 0.01)
            async with served(path, never):
                waiting = asyncio.create_task(ask(where, Tell()))
                await asyncio.sleep(0.05)
        with pytest.raises(NoFleet, match="has ended"):
            await waiting
        with pytest.raises(NoFleet, match="does not answer"):
            await ask(where, Tell())


def test_without_a_fleet_the_way_to_one_is_said() -> None:
    with pytest.raises(NoFleet, match="no fleet is up: start one with coordbench up"):
        control.find(None)


def test_several_fleets_have_to_be_named(path: Path) -> None:
    with announced("a", path, "redis-lock", 3), announced("b", path, "quartz", 3):
        with pytest.raises(NoFleet, match=r"name one with --fleet \(a, b\)"):
            control.find(None)
        with pytest.raises(NoFleet, match="no fleet 'c' is up"):
            control.find("c")
        assert control.find("b").strategy == "quartz"


def test_a_name_is_given_to_one_fleet_only(path: Path) -> None:
    with announced("a", path, "redis-lock", 3):
        with (
            pytest.raises(BadArguments, match=f"'a' is up already .process {os.getpid()}"),
            announced("a", path, "quartz", 3),
        ):
            pass
        assert control.find("a").strategy == "redis-lock"


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 50])
def test_a_name_that_could_be_no_file_is_refused(name: str, path: Path) -> None:
    with pytest.raises(BadArguments, match="expected letters"), announced(name, path, "q", 3):
        pass


def test_the_file_of_a_fleet_that_was_killed_is_no_fleet(home: Path, path: Path) -> None:
    with announced("a", path, "redis-lock", 3):
        (file,) = (home / "coordbench" / "up").glob("*.json")
        killed = file.read_bytes().replace(b'"ticks":', b'"ticks":1')
    file.write_bytes(killed)
    assert not fleets()
    assert not file.exists()


def test_nobody_else_may_look_where_the_fleets_are(home: Path, path: Path) -> None:
    with announced("a", path, "redis-lock", 3):
        assert (home / "coordbench" / "up").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.44, "0.4 s"), (12.3, "12 s"), (125, "2 min 05 s"), (3725, "1 h 02 min")],
)
def test_lengths_read_as_people_say_them(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_a_fault_says_when_it_ends() -> None:
    assert lasting("partition", 110.0, 100.0) == "heals in 10 s"
    assert lasting("partition", None, 100.0) == "until chaos heal"
    assert lasting("kill", 105.0, 100.0) == "starts again in 5.0 s"
    assert lasting("kill", None, 100.0) == "stays dead until chaos heal"
