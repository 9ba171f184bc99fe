"""The fleet at a glance, in 80 columns: who is how, who holds what, what is broken, what happened.

Everything here is drawn from a `View`; nothing is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from bench.fleet import Instance
from bench.live.findings import Findings
from bench.live.injections import Injection
from bench.live.watch import Line, Watch
from bench.live.words import lasting, span
from bench.live_history import LiveHistory
from bench.plan import Plan

GOOD = ("on-time", "late", "recovered", "skipped", "pending", "failed")
BAD = ("duplicate", "overlap", "missed", "interrupted", "stale-effect", "repeated-effect")
STYLE = {"running": "green", "starting": "cyan", "paused": "yellow", "killed": "red", "cut": "red"}
STATES = {
    "pause": "paused",
    "partition": "cut",
    "delay": "slow",
    "drop": "losing packets",
    "half-open": "half-open",
    "clock": "clock off",
    "reset": "reset",
}
LEAST_EVENTS, LEAST_ROWS = 4, 3
HEAD, FOOT = 6, 1  # lines around the rows: figures, title and blanks; the last line


@dataclass(frozen=True)
class View:
    """What there is to see at `now_s`; times are on the fleet's clock."""

    plan: Plan
    now_s: float
    since_s: float
    watch: Watch
    live: LiveHistory
    findings: Findings
    instances: Sequence[Instance]
    injections: Sequence[Injection]


def status_lines(view: View) -> list[str]:
    """What is injected, since when, and when it heals; for `coordbench chaos status`."""
    plan = view.plan
    head = f"{plan.design.name}, {plan.instances} instances, up {span(view.now_s - view.since_s)}"
    if not view.injections:
        return [f"{head}: nothing is injected"]
    return [f"{head}:", *(_injected(one, view.now_s) for one in view.injections)]


def draw(view: View, width: int, height: int) -> Text:
    """The whole view, as many lines as fit."""
    faults = [Text(_injected(one, view.now_s), style="yellow") for one in view.injections]
    spare = height - LEAST_EVENTS - HEAD - FOOT - (len(faults) + 1 if faults else 0)
    lines = [*_head(view), Text(), *_rows(view, max(LEAST_ROWS, spare)), Text()]
    if faults:
        lines += [*faults, Text()]
    room = height - len(lines) - FOOT
    lines += [event_text(line) for line in list(view.watch.lines)[-max(room, 1) :]]
    lines = lines[: height - FOOT]
    lines += [*[Text()] * (height - FOOT - len(lines)), _foot()]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def event_text(line: Line) -> Text:
    """One thing that happened, with the time of day."""
    at = datetime.fromtimestamp(line.t)
    text = Text(f"{at:%H:%M:%S}.{at.microsecond // 100_000} ", style="dim")
    kind = line.text.partition(":")[0]
    style = "bold red" if kind in BAD else "yellow" if line.text.startswith("#") else ""
    return text.append(line.text, style=style)


def _head(view: View) -> Iterator[Text]:
    plan, counts = view.plan, view.findings.counts
    size = f"N={plan.instances} M={len(plan.workload.jobs)} P={plan.workload.period_s:g}s"
    timing = f"{plan.timing.profile} lease {plan.lease_s:g}s"
    head = Text(plan.design.name, style="bold")
    yield head.append(
        f"  {size} {timing}  up {span(view.now_s - view.since_s)}  lag {view.watch.lag_ms:.0f} ms",
        style="not bold",
    )
    fires = Text(f"fires {view.findings.fires}")
    for word in GOOD:
        if counts[word] or word == "on-time":
            fires.append(f"  {word} {counts[word]}")
    yield fires
    wrong = Text("")
    for word in BAD:
        style = "bold red" if counts[word] else "dim"
        wrong.append(f"{word.removesuffix('-effect')} {counts[word]}  ", style=style)
    yield wrong


def _rows(view: View, room: int) -> Iterator[Text]:
    """One line per host, those first in need of a look where not all fit."""
    instances = _latest(view.instances)
    yield Text(f"{'instance':<10}{'state':<24}{'runs':>6}  holds", style="bold")
    rows = [(_state(view, one), one) for one in instances]
    if len(rows) > room:
        looked_for = sorted(rows, key=lambda row: (row[0] == "running", not _holds(view, row[1])))
        shown = {one.name for _, one in looked_for[: room - 1]}
        rows = [row for row in rows if row[1].name in shown]
    left = len(instances) - len(rows)
    for state, one in rows:
        line = Text(f"{one.name:<10}")
        line.append(f"{state:<24}", style=STYLE.get(state.split()[0].rstrip(","), "yellow"))
        line.append(f"{view.watch.runs[one.name]:>6}  ")
        yield line.append(_holds(view, one))
    if left:
        yield Text(f"... and {left} more", style="dim")


def _latest(instances: Sequence[Instance]) -> list[Instance]:
    """The newest instance of every host."""
    return list({one.name.rpartition("-")[0]: one for one in instances}.values())


def _state(view: View, one: Instance) -> str:
    here = [injected for injected in view.injections if injected.victim.name == one.name]
    if one.ended.is_set():
        back = next((injected.heals_at for injected in here), None)
        return "killed" if back is None else f"killed, back in {span(back - view.now_s)}"
    if not here:
        return "running" if one.name in view.live.ready else "starting"
    words = [_words(injected) for injected in here]
    return ", ".join(words) + f" {span(view.now_s - here[0].since)}"


def _words(injected: Injection) -> str:
    word = STATES.get(injected.asked, injected.asked)
    if injected.asked == "partition":
        return {"partition": "cut both ways", "partition-in": "cut inbound"}.get(
            injected.kind, "cut outbound"
        )
    return word


def _holds(view: View, one: Instance) -> str:
    name = one.name
    jobs = sorted(run.job for run in view.live.open_runs.values() if run.instance == name)
    leads = ["leader"] if name in view.live.leaders else []
    return ", ".join([*leads, *jobs])


def _injected(one: Injection, now_s: float) -> str:
    of = f" ({one.why})" if one.why else ""
    until = lasting(one.kind, one.heals_at, now_s)
    return f"#{one.id} {one.kind} of {one.victim.name}{of}, {span(now_s - one.since)}: {until}"


def _foot() -> Text:
    return Text("break it: coordbench chaos --help    end it: Ctrl-C, coordbench down", "dim")
