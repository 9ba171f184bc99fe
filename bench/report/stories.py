"""Why a fire is remarkable: the events that made it so, and what they add up to in a sentence."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.judge import Verdict
from bench.report.timeline import FaultBand, Timeline, flag_words

STORIES = 40  # fires of one trial whose events are told
EVENTS = 60  # told of one fire
BEFORE_S, AFTER_S = 1.0, 0.5  # ownership and faults around a fire that belong to its story

# Worst first: which fires are told where not all can be.
_WORST = (
    "duplicate", "phantom", "missed", "interrupted", "stale-effect", "repeated-effect", "overlap",
    "failed", "unknown", "recovered", "early", "late", "skipped",
)  # fmt: skip
_OF_A_FIRE = ("run-started", "effect", "skipped", "republished", "coordinated", "platform")
_OF_A_JOB = ("granted", "released", "lost", "foreign-release")
_OF_ALL = ("fault-began", "fault-healed", "died")


class Told(msgspec.Struct, array_like=True):
    """One event: seconds on the timeline, on which instance, what."""

    t_s: float
    instance: str
    words: str


class FireStory(msgspec.Struct):
    """One remarkable fire. `what` are its outcome and flags, `why` says what happened."""

    id: str
    job: str
    due_ms: int
    due_s: float
    what: list[str]
    why: list[str]
    events: list[Told]


def remarkable(verdict: Verdict) -> dict[str, list[str]]:
    """The fires worth a look (`job@due_ms`) with what they are, broken promises and worst first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    broken = [fire for one in verdict.broken for fire in one.fires]
    known = {fire for fires in verdict.fires.values() for fire in fires}
    for fire in broken:
        if fire in known:
            found[fire] = []
    for word in _WORST:
        for fire in verdict.fires.get(word, ()):
            found[fire].append(word)
    return dict(found)


def stories(table: Any, whole: Timeline, verdict: Verdict, most: int = STORIES) -> list[FireStory]:
    """The stories of the first `most` remarkable fires."""
    chosen = dict(list(remarkable(verdict).items())[:most])
    if not chosen:
        return []
    jobs = {name: place for place, name in enumerate(whole.jobs)}
    events = _Events(table, chosen)
    return [
        _story(whole, jobs, events, fire, what)
        for fire, what in chosen.items()
        if _job(fire) in jobs
    ]


class _Events:
    """The events that any of the chosen fires may need, read once."""

    def __init__(self, table: Any, fires: Iterable[str]) -> None:
        wanted = set(fires)
        near = _of_jobs(table, {_job(fire) for fire in wanted} | {"leader"})
        self.by_fire: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.shared: list[dict[str, Any]] = []
        runs: dict[str, str] = {}
        for event in near.to_pylist():
            fire = f"{event['job']}@{event['due_ms']}"
            if event["type"] == "run-ended":
                fire = runs.get(event["run"], "")
            elif event["type"] == "run-started" and fire in wanted:
                runs[event["run"]] = fire
            if event["type"] in _OF_A_JOB + _OF_ALL:
                self.shared.append(event)
            elif fire in wanted:
                self.by_fire[fire].append(event)


def _of_jobs(table: Any, subjects: set[str]) -> Any:
    """The rows about some jobs, and those that concern every job."""
    names = pa.array(sorted(subjects), pa.string())
    kind = table["type"]

    def of(kinds: Sequence[str]) -> Any:
        return pc.is_in(kind, value_set=pa.array(kinds, pa.string()))

    mine = pc.and_(of(_OF_A_FIRE), pc.is_in(table["job"], value_set=names))
    owned = pc.and_(of(_OF_A_JOB), pc.is_in(table["subject"], value_set=names))
    return table.filter(pc.or_(pc.or_(mine, owned), of((*_OF_ALL, "run-ended"))))


def _story(
    whole: Timeline, jobs: dict[str, int], events: _Events, fire: str, what: list[str]
) -> FireStory:
    job, due_ms = _job(fire), int(fire.rpartition("@")[2])
    runs = whole.runs
    rows = np.flatnonzero((runs.job == jobs[job]) & (runs.due_ms == due_ms))
    due_s = float(whole.due_s(due_ms))
    until_s = max([due_s, *runs.end_s[rows].tolist()]) + AFTER_S
    told = list(events.by_fire[fire])
    for event in events.shared:
        about = event["subject"] or job
        if event["type"] in _OF_ALL or about in (job, "leader"):
            t_s = event["t"] - whole.origin_s
            if due_s - BEFORE_S <= t_s <= until_s:
                told.append(event)
    told.sort(key=lambda event: event["t"])
    return FireStory(
        id=fire,
        job=job,
        due_ms=due_ms,
        due_s=round(due_s, 4),
        what=what,
        why=list(_why(whole, jobs[job], due_ms, rows.tolist(), what)),
        events=[
            Told(round(event["t"] - whole.origin_s, 4), event["instance"] or "", told_as(event))
            for event in told[:EVENTS]
        ],
    )


def told_as(event: dict[str, Any]) -> str:
    """One event of a history's table in a few words."""
    kind = event["type"].replace("-", " ")
    if event["type"] == "coordinated":
        return f"{event['action']}: {event['outcome']}, in {1000 * event['seconds']:.1f} ms"
    names = ("fault", "run", "subject", "status", "reason", "what")
    told = [str(event[name]) for name in names if event[name]]
    if event["fence"] is not None:
        told.append(f"fence {event['fence']}")
    told += [f"{name} effect" for name in ("repeated", "stale") if event[name]]
    return f"{kind}: {', '.join(told)}" if told else kind


def _why(whole: Timeline, job: int, due_ms: int, rows: list[int], what: list[str]) -> Iterator[str]:
    """Sentences that say how this fire came to be what it is."""
    if "phantom" in what:
        yield "It ran although no line of the history says that it was due."
    for earlier, row in _extra_runs(whole, rows):
        yield _one_too_many(whole, earlier, row)
    yield from _stale(whole, rows)
    if "overlap" in what:
        yield from _overlaps(whole, job, due_ms, rows)
    if not rows:
        yield _never_ran(whole, due_ms, what)
        yield from _owners(whole, whole.jobs[job], float(whole.due_s(due_ms)))
    elif "interrupted" in what or "recovered" in what:
        yield from _broke_off(whole, rows)
    if "late" in what and rows:
        delay = whole.runs.start_s[rows[0]] - whole.due_s(due_ms)
        yield f"Its first run began {delay:.3f} s after it was due."


def _stale(whole: Timeline, rows: list[int]) -> Iterator[str]:
    for row in rows:
        if "stale-effect" in flag_words(int(whole.runs.flags[row])):
            yield (
                f"The effect of {_who(whole, row)} was stale: a higher fence than "
                f"{whole.runs.fence[row]} had written before. Fencing would have stopped it."
            )


def _extra_runs(whole: Timeline, rows: list[int]) -> Iterator[tuple[int, int]]:
    """Each run that was one too many, with the earlier one that makes it so."""
    for place, row in enumerate(rows):
        if place and "extra" in flag_words(int(whole.runs.flags[row])):
            before = rows[:place]
            open_ones = [one for one in before if whole.runs.end_s[one] > whole.runs.start_s[row]]
            done = [one for one in before if whole.runs.status[one] == 1]
            yield (open_ones or done or before)[-1], row


def _one_too_many(whole: Timeline, earlier: int, row: int) -> str:
    runs, start = whole.runs, float(whole.runs.start_s[row])
    began = f"{_who(whole, row, first=True)} began at {start:+.3f} s"
    if runs.end_s[earlier] <= start:
        ended = f"had succeeded at {runs.end_s[earlier]:+.3f} s"
        return f"{began} although {_who(whole, earlier)} {ended}: nothing told it so."
    name = _instance(whole, earlier)
    during = [fault for fault in whole.faults if fault.instance == name and _hit(fault, start)]
    if during:
        fault = during[0]
        healed = "the end" if fault.heal_s is None else f"{fault.heal_s:+.3f} s"
        reason = f" in a {fault.kind} from {fault.begin_s:+.3f} s to {healed}"
    else:
        reason = ", and nothing kept the second one out"
    return f"{began} while {_who(whole, earlier)} was still open{reason}."


def _hit(fault: FaultBand, t_s: float) -> bool:
    return fault.begin_s <= t_s and (fault.heal_s is None or t_s <= fault.heal_s + BEFORE_S)


def _overlaps(whole: Timeline, job: int, due_ms: int, rows: list[int]) -> Iterator[str]:
    runs = whole.runs
    for row in rows:
        start = runs.start_s[row]
        others = np.flatnonzero(
            (runs.job == job) & (runs.due_ms != due_ms) & (runs.start_s <= start)
            & (runs.end_s > start)
        )  # fmt: skip
        for other in others[:1].tolist():
            due = whole.due_s(int(runs.due_ms[other]))
            yield (
                f"{_who(whole, row, first=True)} began at {start:+.3f} s while "
                f"{_who(whole, other)} of the same job's fire due at {due:+.3f} s was still open."
            )


def _never_ran(whole: Timeline, due_ms: int, what: list[str]) -> str:
    due_s = float(whole.due_s(due_ms))
    near = [fault for fault in whole.faults if fault.begin_s <= due_s]
    after = (
        f" It was due {due_s - near[-1].begin_s:.3f} s after the {near[-1].kind}." if near else ""
    )
    if "skipped" in what:
        return "It was left out by the job's policy, and the history bears the reason out." + after
    if "interrupted" in what:
        return "An instance took it, and its run never began." + after
    return "Nobody ran it, and nobody gave a reason that holds." + after


def _owners(whole: Timeline, job: str, due_s: float) -> Iterator[str]:
    """Who owned the job when it was due, and so kept the others from running it."""
    for span in whole.owned:
        if span.subject not in (job, "leader") or span.begin_s > due_s:
            continue
        if span.end_s is None or span.end_s > due_s:
            what = "the leadership" if span.subject == "leader" else "the job"
            until = span.how if span.end_s is None else f"{span.how} at {span.end_s:+.3f} s"
            yield f"{span.instance} owned {what} then, from {span.begin_s:+.3f} s: {until}."


def _broke_off(whole: Timeline, rows: list[int]) -> Iterator[str]:
    runs = whole.runs
    for place, row in enumerate(rows):
        if runs.status[row] not in (0, 3):
            continue
        word = "was cancelled" if runs.status[row] == 3 else "broke off"
        line = f"{_who(whole, row, first=True)} {word} at {runs.end_s[row]:+.3f} s"
        again = next((one for one in rows[place + 1 :] if runs.status[one] == 1), None)
        if again is None:
            yield f"{line}, and nobody finished it."
        else:
            began = float(runs.start_s[again])
            had = "had begun it again" if began < runs.end_s[row] else "began it again"
            yield f"{line}; {_who(whole, again)} {had} at {began:+.3f} s."


def _who(whole: Timeline, row: int, *, first: bool = False) -> str:
    fence, the = whole.runs.fence[row], "The" if first else "the"
    return f"{the} run on {_instance(whole, row)}" + (f" (fence {fence})" if fence >= 0 else "")


def _instance(whole: Timeline, row: int) -> str:
    lane = int(whole.runs.instance[row])
    return whole.instances[lane] if lane >= 0 else "an unknown instance"


def _job(fire: str) -> str:
    return fire.rpartition("@")[0]
