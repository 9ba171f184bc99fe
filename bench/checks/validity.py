"""Whether a trial measured what it was meant to measure: every reason why it did not.

A trial is invalid unless each fault hit the instance it was aimed at while that held, at least
95 % of the intended load was offered, all instances took part in it, the harness's own lag stayed
small, the services were healthy before, and no instance ended by an error or died without a fault.
"""

from collections.abc import Iterator

import numpy as np

from bench.checks.columns import GRANTED, Bools, Columns, Fault, Floats
from bench.checks.fires import FireTable
from bench.checks.lag import lag_p99_s, lags_under_load_s
from bench.machine import BUSY, MACHINE, SPENT
from bench.machine import SATURATED as SATURATED_WORDS

OFFERED = 0.95
LAG_LEASES = 1 / 20  # p99 of the probe's lag, in leases
SATURATED = 0.95  # of the cores' time under load: past it, who wins is the machine's doing
STALL_LEASES = 1 / 4  # its largest lag under load: past it, holders lose leases to the machine
SOON_S = 1.0  # after a kill its victim must have been seen dead
STILL = ("kill", "pause", "suspend", "relocate")  # under these a process writes nothing
HOLDERS = ("holder",)
LEADERS = ("leader",)
SCHEDULERS = ("scheduler",)
PUBLISH = "publish"  # the call that offers a fire to a queue
ANSWERED = (".won", ".lost", ".ok")  # counted calls that reached the service
SHOWS_LEASES = 1 / 2  # within it every instance confirms its place: it does so 3 times a lease


def invalid_reasons(
    columns: Columns, fires: FireTable, faults: int | None = None, *, coordinates: bool = False
) -> list[str]:
    """One line per reason; empty for a valid trial. `faults` is how many the scenario plans.

    `coordinates` says that the design's instances talk to a service to decide who runs a fire.
    """
    return [
        *_faults_missed(columns, faults),
        *_load_not_offered(columns, fires),
        *(_idle_instances(columns) if coordinates and not faults else ()),
        *_harness_lagged(columns),
        *_machine_saturated(columns),
        *_services_unhealthy(columns),
        *_instances_ended(columns),
    ]


def hit(columns: Columns, fault: Fault) -> str | None:
    """None when the fault hit its target while that held; else what went wrong.

    The run that makes a holder must have begun, and not ended, when the fault was in force.
    """
    aimed_wrong = None
    if fault.target in HOLDERS or fault.run >= 0:
        aimed_wrong = _missed_holder(columns, fault)
    elif fault.target in LEADERS and not leads(columns, fault.instance, fault.t):
        aimed_wrong = "its target was not the leader"
    elif fault.target in SCHEDULERS and not publishes(columns, fault.instance, fault.t):
        aimed_wrong = "its target was not the last to publish a fire"
    if columns.header.instances == 0:  # somebody else's history: its processes are not our business
        return aimed_wrong
    return aimed_wrong or _gone_before(columns, fault) or _without_effect(fault)


def leads(columns: Columns, instance: int, t: float) -> bool:
    """Whether the instance believed itself the leader at `t`."""
    owned = columns.ownership
    mine = np.flatnonzero(owned.leader & (owned.instance == instance) & (owned.t <= t))
    return bool(len(mine)) and bool(owned.what[mine[-1]] == GRANTED)


def publishes(columns: Columns, instance: int, t: float) -> bool:
    """Whether the instance was the last whose publication the queue took, at `t`."""
    calls = columns.calls
    published = [code for code, name in enumerate(calls.actions) if name == PUBLISH]
    taken = np.flatnonzero(calls.kept & np.isin(calls.action, published) & (calls.t <= t))
    return bool(len(taken)) and bool(calls.instance[taken[calls.t[taken].argmax()]] == instance)


def _gone_before(columns: Columns, fault: Fault) -> str | None:
    """A victim must take part when it is struck: ready before, and not ended since."""
    if fault.instance < 0 or fault.target == "service":
        return None
    came = [t for t, instance in columns.ready if instance == fault.instance and t <= fault.t]
    if not came:
        return "its victim was not ready yet"
    ends = [ended.t for ended in columns.ended if ended.instance == fault.instance]
    if any(max(came) <= t < fault.asked_s for t in ends):
        return "its victim had ended before"
    return None


def _without_effect(fault: Fault) -> str | None:
    """What a kill or a pause must do to a process, or it did not happen."""
    if fault.kills and (fault.died_s is None or fault.died_s > fault.t + SOON_S):
        return "its victim was not seen dead by SIGKILL"
    if fault.kind in STILL and fault.own_events:
        return f"its victim went on and wrote {fault.own_events} events"
    return None


def _missed_holder(columns: Columns, fault: Fault) -> str | None:
    if fault.run < 0:
        return "no run shows that its target was the holder"
    if columns.runs.instance[fault.run] != fault.instance:
        return "the run it was aimed at was another instance's"
    if columns.runs.start_s[fault.run] > fault.t:
        return "the run it was aimed at had not begun"
    if columns.runs.end_s[fault.run] <= fault.t:
        return "the run it was aimed at had already ended"
    return None


def _faults_missed(columns: Columns, planned: int | None) -> Iterator[str]:
    if planned is not None and len(columns.faults) < planned:
        yield f"{len(columns.faults)} of {planned} planned faults struck"
    for fault in columns.faults:
        if why := hit(columns, fault):
            yield f"fault {fault.id} ({fault.kind}) missed: {why}"


def _load_not_offered(columns: Columns, fires: FireTable) -> Iterator[str]:
    due_s = fires.due_ms[fires.planned] / 1000
    if not len(due_s):
        yield "no fire was due"
        return
    if not columns.header.instances:
        return
    share = float(np.mean(_present(columns, due_s) >= columns.header.instances))
    if share < OFFERED:
        yield (
            f"only {share:.0%} of the load met the whole fleet of "
            f"{columns.header.instances} ready (at least {OFFERED:.0%} is needed)"
        )


def _present(columns: Columns, due_s: Floats) -> Floats:
    """How many instances were ready at each due time, or gone because a fault took them."""
    count = np.zeros(len(due_s))
    for ready_s, instance in columns.ready:
        ends = [ended.t for ended in columns.ended if ended.instance == instance]
        end_s = min(ends, default=np.inf)
        if _faulted_before(columns, instance, end_s):
            end_s = np.inf
        count += (due_s >= ready_s) & (due_s < end_s)
    return count


def _faulted_before(columns: Columns, instance: int, t: float) -> bool:
    return any(fault.instance == instance and fault.asked_s <= t for fault in columns.faults)


def _idle_instances(columns: Columns) -> Iterator[str]:
    """Instances that had no part in a load without faults: the fleet was smaller than it seems."""
    load_s, done_s = columns.phase_s("load"), columns.phase_s("done")
    if load_s is None or done_s is None or columns.faults:
        return
    if done_s - load_s < columns.header.lease_s * SHOWS_LEASES:
        return
    active = _active(columns, load_s, done_s)
    for _, instance in columns.ready:
        if not active[instance]:
            yield f"{columns.instances[instance]} took no part: it coordinated nothing, ran nothing"


def _active(columns: Columns, begin_s: float, end_s: float) -> Bools:
    """Per instance: whether it made a call that was answered, owned something, or ran a fire."""
    found = np.zeros(len(columns.instances) + 1, np.bool_)  # the last stands for none
    calls, owned, runs = columns.calls, columns.ownership, columns.runs
    for t, instance in (
        (calls.t, calls.instance),
        (owned.t, owned.instance),
        (runs.start_s, runs.instance),
    ):
        found[instance[(t >= begin_s) & (t <= end_s)]] = True
    codes = {name: code for code, name in enumerate(columns.instances)}
    for line in columns.counters:
        answered = any(key.endswith(ANSWERED) and n for key, n in line.counts.items())
        if answered and begin_s <= line.t <= end_s:
            found[codes.get(line.name, -1)] = True
    return found


def _harness_lagged(columns: Columns) -> Iterator[str]:
    p99_s = lag_p99_s(columns)
    if p99_s is None:
        if columns.header.instances:
            where = " under load" if len(columns.lags_s) else ""
            yield f"the probe recorded nothing{where}, so the harness's lag is not known"
        return
    limit_s = columns.header.lease_s * LAG_LEASES
    if p99_s >= limit_s:
        yield f"the harness lagged {p99_s * 1000:.0f} ms (p99), the limit is {limit_s * 1000:.0f}"
    stall_s = float(lags_under_load_s(columns).max())
    if stall_s >= columns.header.lease_s * STALL_LEASES:
        yield f"the machine stood still for {stall_s:.2f} s, a quarter of the lease or more"


def _machine_saturated(columns: Columns) -> Iterator[str]:
    begin_s, end_s = columns.phase_s("load"), columns.phase_s("quiet")
    lines = [line for line in columns.counters if line.name == MACHINE]
    if begin_s is None or end_s is None:
        return
    before = [line.counts for line in lines if line.t <= begin_s]
    after = [line.counts for line in lines if line.t >= end_s]
    if not before or not after:  # a history from elsewhere
        return
    spent_s = after[0][SPENT] - before[-1][SPENT]
    share = (after[0][BUSY] - before[-1][BUSY]) / spent_s if spent_s > 0 else 0.0
    if share >= SATURATED:
        yield f"{SATURATED_WORDS}: {share:.0%} of its cores' time was taken under load"


def _services_unhealthy(columns: Columns) -> Iterator[str]:
    healthy_s, load_s = columns.phase_s("healthy"), columns.phase_s("load")
    if load_s is None:
        if columns.header.instances:
            yield "the load phase never began"
    elif healthy_s is None or healthy_s > load_s:
        yield "the services were not seen healthy before the load"


def _instances_ended(columns: Columns) -> Iterator[str]:
    done_s = columns.phase_s("done")
    orderly = {ended.instance for ended in columns.ended if ended.orderly}
    for ended in columns.ended:
        name = columns.instances[ended.instance] if ended.instance >= 0 else "an instance"
        if ended.error:
            yield f"{name} stopped with an error: {ended.error}"
        expected = ended.orderly or ended.instance in orderly
        after = done_s is not None and ended.t >= done_s
        faulted = _faulted_before(columns, ended.instance, ended.t)
        if not expected and not after and not faulted and columns.header.instances:
            yield f"{name} died without a fault"
