"""The port on a simulated database: the same steps, each atomic, under virtual time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from strategies.memory import MemoryLink
from strategies.quartz.port import Begin, Grant, Ticket


@dataclass
class Trigger:
    """A job's row: its next fire, its state, and the fence of its last grant."""

    next_due_ms: int | None
    state: str = "WAITING"
    fence: int = 0

    def free(self) -> None:
        """Wait for the next fire, if there is one."""
        self.state = "COMPLETE" if self.next_due_ms is None else "WAITING"


@dataclass
class Fired:
    """A granted fire: who has it, and whether it was begun."""

    due_ms: int
    instance: str
    begun: bool = False


@dataclass
class Cluster:
    """The tables."""

    triggers: dict[str, Trigger] = field(default_factory=dict)
    fired: dict[Ticket, Fired] = field(default_factory=dict)
    instances: dict[str, int] = field(default_factory=dict)

    def schedule(self, firsts: Sequence[tuple[str, int]]) -> None:
        for job, due_ms in firsts:
            self.triggers.setdefault(job, Trigger(due_ms))

    def acquire(self, instance: str, until_ms: int, limit: int) -> list[Grant]:
        if instance not in self.instances:
            return []
        due = sorted(
            (trigger.next_due_ms, job)
            for job, trigger in self.triggers.items()
            if trigger.state == "WAITING"
            and trigger.next_due_ms is not None
            and trigger.next_due_ms <= until_ms
        )
        return [self._grant(instance, job, due_ms) for due_ms, job in due[:limit]]

    def _grant(self, instance: str, job: str, due_ms: int) -> Grant:
        trigger = self.triggers[job]
        trigger.state = "ACQUIRED"
        ticket = self._next_ticket(job)
        self.fired[ticket] = Fired(due_ms, instance)
        return Grant(ticket, due_ms, begun=False)

    def _next_ticket(self, job: str) -> Ticket:
        self.triggers[job].fence += 1
        return Ticket(job, self.triggers[job].fence)

    def begin(self, instance: str, begins: Sequence[Begin]) -> set[Ticket]:
        return {begin.ticket for begin in begins if self._begin(instance, begin)}

    def _begin(self, instance: str, begin: Begin) -> bool:
        if not self._owns(instance, begin.ticket):
            return False
        fired = self.fired[begin.ticket]
        fired.due_ms, fired.begun = begin.due_ms, True
        trigger = self.triggers[begin.ticket.job]
        if trigger.state == "ACQUIRED" and trigger.fence == begin.ticket.fence:
            trigger.next_due_ms = begin.next_due_ms
            trigger.free()
            if begin.blocks:
                trigger.state = "BLOCKED"
        return True

    def complete(self, instance: str, tickets: Sequence[Ticket]) -> set[Ticket]:
        owned = {ticket for ticket in tickets if self._owns(instance, ticket)}
        for ticket in owned:
            self._forget(ticket)
        return owned

    def release(self, instance: str) -> None:
        for ticket, fired in list(self.fired.items()):
            if fired.instance == instance and not fired.begun:
                self._forget(ticket)

    def held(self, instance: str) -> list[Grant]:
        return [
            Grant(ticket, fired.due_ms, fired.begun)
            for ticket, fired in self.fired.items()
            if fired.instance == instance
        ]

    def check_in(self, instance: str, now_ms: int) -> bool:
        if instance not in self.instances:
            return False
        self.instances[instance] = now_ms
        return True

    def recover(self, instance: str, failed_before_ms: int, rerun: bool) -> list[Grant]:
        if instance not in self.instances:
            return []
        dead = {
            name
            for name, checked_in_ms in self.instances.items()
            if checked_in_ms < failed_before_ms and name != instance
        }
        for name in dead:
            del self.instances[name]
        left = [ticket for ticket, fired in self.fired.items() if fired.instance in dead]
        taken = [self._take_over(instance, ticket, rerun) for ticket in left]
        return [grant for grant in taken if grant]

    def _take_over(self, instance: str, ticket: Ticket, rerun: bool) -> Grant | None:
        fired = self.fired[ticket]
        if not (fired.begun and rerun):
            self._forget(ticket)
            return None
        del self.fired[ticket]
        again = self._next_ticket(ticket.job)
        self.fired[again] = Fired(fired.due_ms, instance, begun=True)
        return Grant(again, fired.due_ms, begun=True)

    def leave(self, instance: str) -> None:
        if not self.held(instance):
            self.instances.pop(instance, None)

    def _owns(self, instance: str, ticket: Ticket) -> bool:
        return ticket in self.fired and self.fired[ticket].instance == instance

    def _forget(self, ticket: Ticket) -> None:
        fired = self.fired.pop(ticket)
        trigger = self.triggers[ticket.job]
        if trigger.state == ("BLOCKED" if fired.begun else "ACQUIRED"):
            trigger.free()


class MemoryTriggers:
    """QuartzStore over a link to a simulated database."""

    def __init__(self, link: MemoryLink, namespace: str) -> None:
        self._link = link
        self._namespace = namespace

    @property
    def cluster(self) -> Cluster:
        """The tables, as they are on the server now."""
        return self._link.server.table(self._namespace, "quartz", Cluster)

    async def prepare(self) -> None:
        await self._link.call(lambda: self.cluster)

    async def clean_up(self) -> None:
        await self._link.call(lambda: self._link.server.drop(self._namespace))

    async def close(self) -> None:
        pass

    async def schedule(self, firsts: Sequence[tuple[str, int]]) -> None:
        await self._link.call(lambda: self.cluster.schedule(firsts))

    async def acquire(self, instance: str, until_ms: int, limit: int) -> list[Grant]:
        return await self._link.call(lambda: self.cluster.acquire(instance, until_ms, limit))

    async def begin(self, instance: str, begins: Sequence[Begin]) -> set[Ticket]:
        return await self._link.call(lambda: self.cluster.begin(instance, begins))

    async def complete(self, instance: str, tickets: Sequence[Ticket]) -> set[Ticket]:
        return await self._link.call(lambda: self.cluster.complete(instance, tickets))

    async def release(self, instance: str) -> None:
        await self._link.call(lambda: self.cluster.release(instance))

    async def held(self, instance: str) -> list[Grant]:
        return await self._link.call(lambda: self.cluster.held(instance))

    async def register(self, instance: str, now_ms: int) -> None:
        await self._link.call(lambda: self.cluster.instances.update({instance: now_ms}))

    async def check_in(self, instance: str, now_ms: int) -> bool:
        return await self._link.call(lambda: self.cluster.check_in(instance, now_ms))

    async def recover(self, instance: str, failed_before_ms: int, rerun: bool) -> list[Grant]:
        return await self._link.call(
            lambda: self.cluster.recover(instance, failed_before_ms, rerun)
        )

    async def leave(self, instance: str) -> None:
        await self._link.call(lambda: self.cluster.leave(instance))
