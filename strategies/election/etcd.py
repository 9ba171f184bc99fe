"""The election's ports on etcd: keys ordered by their create revision, each on a lease.

A place is a key named after its own new lease, so that no place is ever taken up again; when the
lease ends, etcd deletes the key. The fence is the key's create revision, which grows over the
whole store. The log is one key per job whose value, the due time in fixed width, only grows:
an old request that arrives late changes nothing.

Clock: etcd counts the TTL (whole seconds, 2 at the least) on its leader's monotonic clock, and
from the start when another etcd member becomes the leader; keys go up to half a second later.

Source: client/v3/concurrency/{session,election}.go of etcd-io/etcd.
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from strategies.election.gateway import Gateway, Message, Refused, decoded, encoded, range_end
from strategies.election.ports import Place
from strategies.election.timing import ElectionTiming
from strategies.errors import ServiceLost
from strategies.model import Fire

DIGITS = 16  # of a due time in ms: compared as text, so always as long
NEVER = "0" * DIGITS
KEYS_PER_CALL = 100  # etcd takes 128 operations in a transaction, by default


class EtcdElection:
    """Both ports on the etcd at `url`, under the key prefix `namespace`/."""

    def __init__(self, url: str, namespace: str, timing: ElectionTiming) -> None:
        self._gateway = Gateway(url, timing.call_s)
        self._timing = timing
        self._root = f"{namespace}/"
        self._places, self._log = f"{namespace}/place/", f"{namespace}/log/"
        self._seen_revision = 0

    async def prepare(self, jobs: Sequence[str]) -> None:
        await self._create([self._log + job for job in jobs])

    async def clean_up(self) -> None:
        await self._gateway.call(
            "kv/deleterange",
            {"key": encoded(self._root), "range_end": encoded(range_end(self._root))},
        )

    async def close(self) -> None:
        await self._gateway.close()

    async def enter(self, name: str) -> Place:
        lease = await self._gateway.call("lease/grant", {"TTL": str(int(self._timing.lease_s))})
        key = f"{self._places}{int(lease['ID']):016x}"
        put = {"key": encoded(key), "value": encoded(name), "lease": lease["ID"]}
        answer = await self._gateway.call("kv/put", put)
        return Place(key, int(answer["header"]["revision"]), float(lease["TTL"]))

    async def ahead(self, place: Place) -> str | None:
        answer = await self._gateway.call(
            "kv/range",
            {
                **_prefix(self._places),
                "max_create_revision": str(place.fence - 1),
                "sort_target": "CREATE",
                "sort_order": "DESCEND",
                "limit": "1",
                "keys_only": True,
            },
        )
        self._seen_revision = int(answer["header"]["revision"])
        keys = answer.get("kvs", [])
        return decoded(keys[0]["key"]) if keys else None

    async def gone(self, key: str) -> None:
        create = {
            "key": encoded(key),
            "start_revision": str(self._seen_revision + 1),
            "filters": ["NOPUT"],
        }
        async with aclosing(self._gateway.stream("watch", {"create_request": create})) as answers:
            async for answer in answers:
                if answer.get("events") or answer.get("canceled"):
                    return
        raise ServiceLost("etcd: the watch ended")

    async def confirm(self, place: Place) -> bool:
        answer = await self._gateway.call("lease/keepalive", {"ID": _lease(place)})
        return int(answer.get("TTL", 0)) > 0

    async def leave(self, place: Place) -> None:
        try:
            await self._gateway.call("lease/revoke", {"ID": _lease(place)})
        except Refused as refusal:
            if refusal.status != 404:  # 404: the lease has ended already
                raise

    async def begin(self, fires: Sequence[Fire], place: Place) -> bool:
        due = {self._log + fire.job: f"{fire.due_ms:0{DIGITS}}" for fire in fires}
        answer = await self._gateway.call(
            "kv/txn",
            {
                "compare": [
                    _is_created(place.key, place.fence),
                    *(_is_less(*pair) for pair in due.items()),
                ],
                "success": [_put(key, value) for key, value in due.items()],
                "failure": [_get(key) for key in (place.key, *due)],
            },
        )
        return bool(answer.get("succeeded")) or _begun_before(answer, place, due)

    async def last(self, jobs: Sequence[str]) -> Mapping[str, int]:
        answer = await self._gateway.call("kv/range", _prefix(self._log))
        found = {
            decoded(pair["key"]).removeprefix(self._log): decoded(pair["value"])
            for pair in answer.get("kvs", [])
        }
        await self._create([self._log + job for job in jobs if job not in found])
        return {job: int(found[job]) for job in jobs if found.get(job, NEVER) != NEVER}

    async def _create(self, keys: Sequence[str]) -> None:
        """Make the jobs' keys, so that their values can be compared; existing ones stay."""
        for start in range(0, len(keys), KEYS_PER_CALL):
            each = [
                {"request_txn": {"compare": [_is_created(key, 0)], "success": [_put(key, NEVER)]}}
                for key in keys[start : start + KEYS_PER_CALL]
            ]
            await self._gateway.call("kv/txn", {"success": each})


def _begun_before(answer: Message, place: Place, due: Mapping[str, str]) -> bool:
    """Whether a refused begin had been done by its own earlier, unanswered try.

    It was if the place still stands and no job's last begun fire is earlier: nobody else writes.
    """
    found: dict[str, Any] = {}
    for response in answer.get("responses", []):
        for pair in response["response_range"].get("kvs", []):
            found[decoded(pair["key"])] = pair
    stands = place.key in found and int(found[place.key]["create_revision"]) == place.fence
    return stands and all(
        key in found and decoded(found[key]["value"]) >= value for key, value in due.items()
    )


def _lease(place: Place) -> str:
    return str(int(place.key.rpartition("/")[2], 16))


def _prefix(prefix: str) -> Message:
    return {"key": encoded(prefix), "range_end": encoded(range_end(prefix))}


def _is_created(key: str, revision: int) -> Message:
    """True while `key` is the one created at `revision`; 0 means that there is none."""
    compare = {"target": "CREATE", "result": "EQUAL", "create_revision": str(revision)}
    return {"key": encoded(key), **compare}


def _is_less(key: str, value: str) -> Message:
    return {"key": encoded(key), "target": "VALUE", "result": "LESS", "value": encoded(value)}


def _put(key: str, value: str) -> Message:
    return {"request_put": {"key": encoded(key), "value": encoded(value)}}


def _get(key: str) -> Message:
    return {"request_range": {"key": encoded(key)}}
