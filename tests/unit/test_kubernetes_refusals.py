"""Refusals and broken connections, from a server of our own that does as each test says.

Real sockets and real HTTP, without the TLS that needs a control plane: what is asked again, what
is an answer, what is counted, and that a watch loses and doubles nothing.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from bench.recorder import epoch_offset, host_clock
from strategies.cronjob import strategy as cronjob
from strategies.cronjob.manifests import Settings
from strategies.cronjob.strategy import CronJobStrategy
from strategies.election.lease_designs import DESIGNS
from strategies.errors import ServiceLost
from strategies.interface import Strategy
from strategies.kubernetes import api
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.endpoint import Endpoint, parse
from strategies.kubernetes.errors import Busy, Conflict, Refused
from strategies.kubernetes.follow import Change, Follower
from strategies.model import Cron, Fire, Job, Timing
from strategies.notes import Event, Granted, Lost

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
JOBS = [Job(name="report", schedule=Cron("* * * * *"))]


class Server:
    """An HTTP server whose answers a test gives; `asked` has what came, as (method, path)."""

    def __init__(self) -> None:
        self.answer: Answer = refusing(500)
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        return await self.answer(request)


def refusing(status: int, **headers: str) -> Answer:
    """Every request is refused with `status`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = {"message": f"refused with {status}", "code": status}
        return web.json_response(body, status=status, headers=headers)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """The first request gets the first answer and so on; the last answer stays."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


async def echo(request: web.Request) -> web.StreamResponse:
    """What was sent is made."""
    return web.Response(body=await request.read(), status=201)


async def hang_up(request: web.Request) -> web.StreamResponse:
    """The request arrives, its answer does not."""
    await request.read()
    assert request.transport is not None
    request.transport.close()
    raise asyncio.CancelledError


@pytest_asyncio.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    made = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    [(host, port)] = runner.addresses

    class Plain(Endpoint):
        """This server speaks no TLS."""

        def tls(self) -> Any:
            return True

    monkeypatch.setattr(api, "parse", lambda url: Plain(f"http://{host}:{port}", ca="", name=""))
    monkeypatch.setattr(cronjob, "FIRST_WAIT_S", 0.001)
    made.url = f"https://role:secret@{host}:{port}/?ca=none"
    yield made
    await runner.cleanup()


def cron_jobs(server: Server) -> CronJobStrategy:
    assert parse(server.url).token == "secret"
    return CronJobStrategy({"kubernetes": server.url}, "n", Timing(), random.Random(0), Settings())


async def test_a_busy_server_is_asked_again_and_what_it_said_is_counted(server: Server) -> None:
    server.answer = in_turn(
        refusing(503), refusing(429, **{"Retry-After": "0"}), hang_up, refusing(500), echo
    )
    strategy = cron_jobs(server)
    await strategy.prepare(JOBS)
    assert strategy.counts == {"http-503": 1, "http-429": 1, "no-answer": 1, "http-500": 1}
    made = [path for method, path in server.asked if method == "POST"]
    assert made[-2:] == ["/api/v1/namespaces", "/apis/batch/v1/namespaces/n/cronjobs"]


async def test_a_server_says_itself_how_long_to_wait(server: Server) -> None:
    server.answer = in_turn(refusing(429, **{"Retry-After": "1"}), echo)
    began_s = asyncio.get_running_loop().time()
    await cron_jobs(server).prepare(JOBS)
    assert asyncio.get_running_loop().time() - began_s >= 1


async def test_a_server_that_stays_busy_is_given_up(server: Server) -> None:
    server.answer = refusing(503)
    strategy = cron_jobs(server)
    with pytest.raises(Busy, match="503"):
        await strategy.prepare(JOBS)
    assert strategy.counts == {"http-503": cronjob.ATTEMPTS}


async def test_a_conflict_is_somebody_elses_object(server: Server) -> None:
    server.answer = refusing(409)
    with pytest.raises(Conflict):
        await cron_jobs(server).prepare(JOBS)
    assert len(server.asked) == 1


async def test_a_conflict_after_a_lost_answer_is_our_own_object(server: Server) -> None:
    server.answer = in_turn(hang_up, refusing(409), echo)
    strategy = cron_jobs(server)
    await strategy.prepare(JOBS)
    assert strategy.counts == {"no-answer": 1, "http-409": 1}


async def test_what_was_made_before_a_refusal_is_removed_again(server: Server) -> None:
    """The namespace was there and one CronJob of two, when the server broke down."""
    broken = False

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal broken
        if request.path.endswith("/cronjobs") and "dryRun" not in request.query:
            broken = True
            return await refusing(503)(request)
        if broken and request.method == "GET":
            return await refusing(404)(request)
        return await echo(request)

    server.answer = answer
    with pytest.raises(Busy):
        await cron_jobs(server).prepare(JOBS)
    assert ("DELETE", "/api/v1/namespaces/n") in server.asked


async def test_cleaning_up_outlasts_a_busy_server(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cronjob, "LOOK_S", 0.01)
    server.answer = in_turn(refusing(503), hang_up, hang_up, refusing(429), refusing(404))
    await cron_jobs(server).clean_up()
    assert server.asked[-1] == ("GET", "/api/v1/namespaces/n")


async def test_what_cannot_be_removed_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cronjob, "GONE_S", 0.1)
    server.answer = refusing(503)
    with pytest.raises(ServiceLost, match="namespace n is still there"):
        await cron_jobs(server).clean_up()


# --- a watch -----------------------------------------------------------------------------------


def thing(uid: str, version: int, text: str = "") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}, "text": text}


def change(kind: str, uid: str, version: int, text: str = "") -> bytes:
    return msgspec.json.encode({"type": kind, "object": thing(uid, version, text)}) + b"\n"


EXPIRED = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
GONE = msgspec.json.encode(EXPIRED) + b"\n"


def summary(one: Change) -> tuple[str, str]:
    return one.what, msgspec.json.decode(one.raw)["metadata"]["uid"]


class Watched:
    """A collection: what lists show, and per watch the bytes that it sends before it ends."""

    def __init__(self, lists: list[dict[str, Any]], watches: list[Answer | list[bytes]]) -> None:
        self.lists, self.watches = lists, watches
        self.places: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response(self.lists.pop(0))
        self.places.append(request.query["resourceVersion"])
        if not self.watches:
            return await refusing(400)(request)  # the end of the story
        told = self.watches.pop(0)
        if callable(told):
            return await told(request)
        stream = web.StreamResponse()
        await stream.prepare(request)
        for piece in told:
            await stream.write(piece)
            await asyncio.sleep(0.01)
        return stream


async def torn(request: web.Request) -> web.StreamResponse:
    """The connection breaks in the middle of a line."""
    stream = web.StreamResponse()
    await stream.prepare(request)
    await stream.write(change("ADDED", "c", 7) + change("ADDED", "d", 8)[:20])
    await asyncio.sleep(0.05)
    assert request.transport is not None
    request.transport.abort()
    return stream


def a_list(place: int, *things: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(place)}, "items": list(things)}


async def test_a_watch_that_ends_breaks_or_expires_loses_nothing_and_doubles_nothing(
    server: Server,
) -> None:
    long = "x" * 200_000  # longer than a client's buffer for a line
    split = change("ADDED", "b", 6, long)
    watched = Watched(
        [a_list(5, thing("a", 3)), a_list(20, thing("a", 3), thing("c", 7), thing("e", 15))],
        [
            [split[:70_000], split[70_000:]],
            torn,
            refusing(503),
            refusing(403),  # it has restarted and not read its rules yet
            [change("ADDED", "d", 8), change("DELETED", "b", 9)],
            [GONE],
            [change("ADDED", "f", 21)],
        ],
    )
    server.answer = watched.answer
    told: list[tuple[str, str]] = []
    async with KubernetesApi(server.url, timeout_s=2) as client:

        async def follow() -> None:
            async for one in Follower(client, "/pods", {}, random.Random(0)).changes():
                told.append(summary(one))  # noqa: PERF401 - what came before the error is wanted

        with pytest.raises(Refused, match="refused with 400"):
            await follow()
        assert client.counts == {
            "watch-broke": 1, "http-503": 1, "http-403": 1, "http-410": 1, "http-400": 1,
        }  # fmt: skip
    assert told == [
        ("there", "a"), ("there", "b"), ("there", "c"), ("there", "d"), ("gone", "b"),
        ("gone", "d"), ("there", "e"), ("there", "f"),
    ]  # fmt: skip
    assert watched.places == ["5", "6", "7", "7", "7", "9", "20", "21"]


async def test_a_half_open_watch_ends_by_itself(server: Server) -> None:
    """Nothing comes, not even an end: the client gives up a call's time after the watch's."""

    async def silent(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return stream

    server.answer = Watched([], [silent]).answer
    async with KubernetesApi(server.url, timeout_s=0.1) as client:
        with pytest.raises(ServiceLost):
            async for _ in client.watch("/pods", {"resourceVersion": "1"}, lasting_s=0):
                pass
        assert client.counts == {"watch-broke": 1}


# --- a lease -----------------------------------------------------------------------------------


class LeaseServer:
    """One Lease with a resourceVersion; `trouble` may answer a write instead of it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] = {}
        self.trouble: list[Answer] = []
        self.writes = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            self.writes += 1
            if self.trouble:
                return await self.trouble.pop(0)(request)
            return self._write(await request.json())
        if request.method == "POST" and request.path.endswith("/leases"):
            return self._write({**await request.json(), "metadata": {"name": "leader"}})
        return web.json_response(self.lease)

    def _write(self, lease: dict[str, Any]) -> web.Response:
        held = self.lease.get("metadata", {}).get("resourceVersion", "")
        if lease["metadata"].get("resourceVersion", "") != held:
            return web.json_response({"code": 409, "message": "conflict"}, status=409)
        lease["metadata"]["resourceVersion"] = str(int(held or 0) + 1)
        self.lease = lease
        return web.json_response(lease)

    async def taken_by_another(self, request: web.Request) -> web.StreamResponse:
        """Somebody wrote first: the Lease is his now, and this write is a conflict."""
        spec = {**self.lease["spec"], "holderIdentity": "another"}
        spec["leaseTransitions"] = spec.get("leaseTransitions", 0) + 1
        self._write({**self.lease, "spec": spec})
        return web.json_response({"code": 409, "message": "conflict"}, status=409)


class Member:
    """One instance in this process."""

    name = "m"

    def __init__(self) -> None:
        self.clock = Times()
        self.stopping = asyncio.Event()
        self.events: list[Event] = []

    def note(self, event: Event) -> None:
        self.events.append(event)

    async def run(self, fire: Fire, fence: int | None) -> None:
        raise AssertionError("nothing is due")

    def seen(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


class Times:
    """The host's clock."""

    def __init__(self) -> None:
        self.now = host_clock(epoch_offset())
        self.monotonic = host_clock(0.0)

    async def sleep_until(self, now_s: float) -> None:
        await asyncio.sleep(max(0.0, now_s - self.now()))


@contextlib.asynccontextmanager
async def leading(server: Server) -> AsyncIterator[tuple[LeaseServer, Member]]:
    """A member of lease-election that leads, with a lease of 1.2 s."""
    leases, member = LeaseServer(), Member()
    server.answer = leases.answer
    endpoints, timing = {"kubernetes": server.url}, Timing(lease_s=1.2)
    strategy: Strategy = DESIGNS[0].make(endpoints, "n", timing, random.Random(0))
    await strategy.prepare([])
    taking_part = asyncio.create_task(strategy.participate(member, []))
    await until(lambda: bool(member.seen(Granted)))
    yield leases, member
    member.stopping.set()
    await taking_part


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param([refusing(429)], id="429"),
        pytest.param([refusing(503)], id="503"),
        # aiohttp itself asks once more where a connection that it had kept turns out closed
        pytest.param([hang_up, hang_up], id="no answer"),
    ],
)
async def test_a_renewal_that_is_refused_for_now_is_tried_again_within_the_deadline(
    server: Server, trouble: list[Answer]
) -> None:
    async with leading(server) as (leases, member):
        leases.trouble = list(trouble)
        writes = leases.writes
        await until(lambda: leases.writes >= writes + 4)
        assert not member.seen(Lost)
        errors = [one for one in member.events if getattr(one, "outcome", "") == "error"]
        assert [getattr(one, "action", "") for one in errors] == ["renew"]


async def test_a_server_that_stays_busy_ends_the_term_at_the_deadline(server: Server) -> None:
    async with leading(server) as (leases, member):
        leases.trouble = [refusing(503)] * 1000
        await until(lambda: bool(member.seen(Lost)))
        assert [getattr(one, "reason", "") for one in member.seen(Lost)] == [
            "not confirmed in time"
        ]
        leases.trouble = []
        await until(lambda: len(member.seen(Granted)) == 2)


async def test_a_conflict_with_another_holder_ends_the_term_at_once(server: Server) -> None:
    async with leading(server) as (leases, member):
        leases.trouble = [leases.taken_by_another]
        writes = leases.writes
        await until(lambda: bool(member.seen(Lost)))
        assert leases.writes == writes + 1  # it did not try to write over it
        assert [getattr(one, "reason", "") for one in member.seen(Lost)] == ["renewal refused"]


async def test_a_leader_that_stops_empties_the_lease(server: Server) -> None:
    async with leading(server) as (leases, _):
        assert leases.lease["spec"]["holderIdentity"].startswith("m_")
    assert not leases.lease["spec"].get("holderIdentity")
