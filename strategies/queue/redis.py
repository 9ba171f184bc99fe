"""The queue on Redis Streams (6.2 or later): one consumer group, every decision in one script.

Messages are entries of one stream with a single field, the ticket
`overlap:deliveries before:tries before:due ms:job`. Keys, all under `{namespace}:queue:` (the
braces put them on one node of a cluster): `messages` (stream), `published` (hash, job -> last due
time and answer), `open` (hash, job -> due time of its unfinished message, overlap forbid),
`waiting:<job>` (list of tickets), `retries` (sorted set of tickets by time), `dead` (stream),
`state:<fire id>`.

Both a mark per job (`published`) and a key per fire (`state:`, set NX) keep a fire from being
published twice. The mark never expires, is what a starting instance goes on from, and refuses a
publisher that is a day late; the key is the fire's readable state, and expires a day after its end.

Redis may lose acknowledged writes when it restarts or fails over; so does this queue then.
Idle times and retries follow the server's wall clock: a step of it redelivers early or late.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from strategies.errors import ServiceLost
from strategies.model import Fire
from strategies.queue.port import (
    DeadLetter,
    JobState,
    Message,
    Publication,
    Published,
    Reason,
)
from strategies.queue.timing import QueueTiming

GROUP = "workers"
STATE_KEPT_MS = 24 * 3600 * 1000  # a fire's state; marks keep it published once for ever
FROM_THE_START = "0-0"


class RedisJobQueue:
    """JobQueue and DeadLetters for one consumer. Two connections: one waits, one acts.

    `consumer` must be unique per process start, else a restarted process would own what its
    predecessor was given. `publish_script` is where the control differs.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        consumer: str,
        timing: QueueTiming,
        publish_script: str = "publish",
    ) -> None:
        self._prefix = f"{{{namespace}}}:queue:"
        self._consumer = consumer
        self._timing = timing
        self._client = _client(url, timing.call_s)
        self._publish = self._script(publish_script)
        self._take = self._script("take")
        self._claim = self._script("claim")
        self._extend = self._script("extend")
        self._settle = self._script("settle")
        self._promote = self._script("promote")
        self._replay = self._script("replay")
        self._scan_from = FROM_THE_START

    def _script(self, name: str) -> Any:
        text = files("strategies.queue").joinpath(f"lua/{name}.lua").read_text()
        return self._client.register_script(text)

    async def create(self) -> None:
        with _lost():
            await self._make_group()

    async def _make_group(self) -> None:
        stream = self._prefix + "messages"
        try:
            async with asyncio.timeout(self._timing.call_s):
                await self._client.xgroup_create(stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def drop(self) -> None:
        with _lost():
            mine = re.sub(r"([\\*?\[\]])", r"\\\1", self._prefix) + "*"
            cursor = -1
            while cursor:
                async with asyncio.timeout(self._timing.call_s):
                    cursor, keys = await self._client.scan(max(0, cursor), match=mine, count=1000)
                    if keys:
                        await self._client.unlink(*keys)

    async def close(self) -> None:
        await self._client.aclose()

    async def last_published(self, jobs: Sequence[str]) -> Mapping[str, int]:
        if not jobs:
            return {}
        marks = await self._answer(self._client.hmget(self._prefix + "published", list(jobs)))
        return {
            job: int(mark.split(b" ", 1)[0])
            for job, mark in zip(jobs, marks, strict=True)
            if mark is not None
        }

    async def publish(self, batch: Sequence[Publication]) -> list[Published]:
        arguments: list[Any] = [self._consumer, STATE_KEPT_MS]
        for one in batch:
            arguments += (one.job.name, one.due_ms, one.job.overlap, one.job.misfire)
        return [_published(answer) for answer in await self._run(self._publish, arguments)]

    async def take(self, limit: int) -> list[Message]:
        return _messages(await self._run(self._take, [self._consumer, STATE_KEPT_MS, limit]))

    async def receive(self, limit: int, wait_s: float) -> list[Message]:
        stream = self._prefix + "messages"
        with _lost():
            try:
                async with asyncio.timeout(wait_s + self._timing.call_s):
                    answer: Any = await self._client.xreadgroup(
                        GROUP, self._consumer, {stream: ">"}, limit, max(1, round(wait_s * 1000))
                    )
            except ResponseError as error:
                await self._heal(error)
                raise
        entries = answer[0][1] if answer else []
        return [_message(key.decode(), 1, _text(fields[b"ticket"])) for key, fields in entries]

    async def claim(self, limit: int) -> list[Message]:
        visibility_ms = round(self._timing.visibility_s * 1000)
        claimed: list[Message] = []
        while True:
            arguments = [self._consumer, visibility_ms, self._scan_from, limit - len(claimed)]
            first, _, lines = (await self._run(self._claim, arguments)).partition(b"\n")
            self._scan_from = first.decode()
            claimed += _messages(lines)
            if self._scan_from == FROM_THE_START or len(claimed) >= limit:
                return claimed

    async def extend(self, messages: Sequence[Message]) -> list[bool]:
        arguments: list[Any] = [self._consumer, STATE_KEPT_MS]
        arguments += (f"{one.id}|{one.deliveries}|{one.fire.id}" for one in messages)
        return _flags(await self._run(self._extend, arguments))

    async def ack(self, messages: Sequence[Message]) -> list[bool]:
        return await self._settled(messages, "ack", "")

    async def retry(self, message: Message, delay_s: float) -> bool:
        return (await self._settled([message], "retry", str(round(delay_s * 1000))))[0]

    async def bury(self, message: Message, reason: Reason) -> bool:
        return (await self._settled([message], "bury", reason))[0]

    async def _settled(self, messages: Sequence[Message], verdict: str, detail: str) -> list[bool]:
        arguments: list[Any] = [self._consumer, STATE_KEPT_MS]
        arguments += (
            f"{one.id}|{one.deliveries}|{verdict}|{detail}|{_ticket(one)}" for one in messages
        )
        return _flags(await self._run(self._settle, arguments))

    async def promote(self, limit: int) -> int:
        return int(await self._run(self._promote, [limit, STATE_KEPT_MS]))

    async def states(self, fires: Sequence[Fire]) -> list[JobState | None]:
        if not fires:
            return []
        keys = [f"{self._prefix}state:{fire.id}" for fire in fires]
        found = await self._answer(self._client.mget(keys))
        return [None if state is None else cast(JobState, state.decode()) for state in found]

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        entries = await self._answer(self._client.xrange(self._prefix + "dead", count=limit))
        return [_dead_letter(key.decode(), fields) for key, fields in entries]

    async def replay(self, letter: DeadLetter) -> bool:
        return bool(await self._run(self._replay, [letter.id]))

    async def _run(self, script: Any, arguments: list[Any]) -> Any:
        return await self._answer(script(keys=[self._prefix], args=arguments))

    async def _answer(self, call: Awaitable[Any]) -> Any:
        """The call's answer within `call_s`, connecting included."""
        with _lost():
            try:
                async with asyncio.timeout(self._timing.call_s):
                    return await call
            except ResponseError as error:
                await self._heal(error)
                raise

    async def _heal(self, error: ResponseError) -> None:
        # A server that came back empty has no group; the next call then finds one.
        if "NOGROUP" in str(error):
            await self._make_group()


def _client(url: str, connect_s: float) -> Redis:
    # No retries inside: a repeated XREADGROUP or script would be a second attempt that the lease
    # arithmetic of the caller does not know of. No bound inside: redis-py's is asyncio.wait_for,
    # which before Python 3.12 forgets a cancellation that comes with the answer.
    return Redis.from_url(
        url,
        socket_timeout=None,
        socket_connect_timeout=connect_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        # The class alone: a client's message may contain the address.
        raise ServiceLost(f"redis: {type(error).__name__}") from None


def _text(raw: bytes) -> str:
    return raw.decode()


def _message(key: str, deliveries: int, ticket: str) -> Message:
    overlap, before, tries, due_ms, job = ticket.split(":", 4)
    return Message(key, Fire(job, int(due_ms)), deliveries, int(before), int(tries), overlap)


def _messages(lines: bytes) -> list[Message]:
    found = []
    for line in lines.decode().splitlines():
        key, deliveries, ticket = line.split("|", 2)
        found.append(_message(key, int(deliveries), ticket))
    return found


def _ticket(message: Message) -> str:
    fire = message.fire
    return f"{message.overlap}:{message.before}:{message.tries}:{fire.due_ms}:{fire.job}"


def _published(answer: bytes) -> Published:
    outcome, previous, replaced = answer.decode().split("|")
    return Published(
        cast(Any, outcome),
        int(previous) if previous else None,
        int(replaced) if replaced else None,
    )


def _flags(answer: bytes) -> list[bool]:
    return [flag == 49 for flag in answer]  # 49 is the digit 1


def _dead_letter(key: str, fields: Mapping[bytes, bytes]) -> DeadLetter:
    message = _message(key, 0, _text(fields[b"ticket"]))
    reason = cast(Reason, _text(fields[b"reason"]))
    return DeadLetter(key, message.fire, message.before, reason)
