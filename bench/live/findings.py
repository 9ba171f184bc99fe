"""What the checks find in a fleet while it is up: counts so far, and each finding once, in words.

The judging is that of every trial (bench.checks), over the window of what can still change. The
outcome of a fire is taken down for good when it was due `settle_s` ago and none of its runs is
open; from then on the fire only stands beside its neighbours, for their sake.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bench.checks.outcomes import Outcome, judge_fires
from bench.checks.reading import columns as read_columns
from bench.events import FORMAT_VERSION, History, RunEnded, RunStarted
from bench.history import to_table
from bench.live.window import FireKey, Snapshot, Window
from strategies.notes import Event

NAMED = 2  # fires of one kind that are told apart at a time; more are counted in one line
SHOWN = 3  # instances of a fire that are named

Fates = dict[FireKey, tuple[str, ...]]
"""By fire: its outcome's word, then its flags."""

_TOLD = {
    "stale-effect": "wrote under an old fence",
    "duplicate": "ran {times} times",
    "phantom": "ran and was never due",
    "overlap": "ran beside another run of its job",
    "missed": "nobody ran it",
    "interrupted": "was broken off and not run again",
    "failed": "failed for good",
    "repeated-effect": "wrote its effect twice",
    "recovered": "was broken off and run again",
    "late": "ran {late_s:.1f} s late",
    "early": "ran before it was due",
}
"""What is said of a fire, by outcome and flag; the first that is new is the one that is said."""

_NOT_FINAL = ("interrupted", "failed")  # said once the fire is settled: it may be run again


def judge(snapshot: Snapshot, bound_s: float) -> Fates:
    """The fate of every fire in a snapshot; `bound_s` is the design's failover bound."""
    columns = read_columns(to_table(snapshot.events))
    judged = judge_fires(columns, bound_s)
    flags = {name: rows.tolist() for name, rows in judged.flags().items() if rows.any()}
    names, words = columns.jobs.names, [Outcome(code).word for code in judged.outcome.tolist()]
    fires = zip(judged.fires.job.tolist(), judged.fires.due_ms.tolist(), strict=True)
    return {
        (names[job], due_ms): (words[row], *(name for name, rows in flags.items() if rows[row]))
        for row, (job, due_ms) in enumerate(fires)
    }


def warm_up() -> None:
    """Judge nothing once: what the libraries load when first used takes seconds."""
    empty = History(version=FORMAT_VERSION, until_s=0.0)
    judge(Snapshot(0.0, [empty], frozenset()), 0.0)


@dataclass
class Findings:
    """The counts of a whole session, and what was said already."""

    settle_s: float
    counts: Counter[str] = field(default_factory=Counter)
    fires: int = 0
    _gone: Counter[str] = field(default_factory=Counter)
    _gone_fires: int = 0
    _settled: Fates = field(default_factory=dict)
    _said: set[tuple[FireKey, str]] = field(default_factory=set)

    def take(self, fates: Fates, judged: Snapshot, window: Window) -> list[str]:
        """Count what was judged; what is new of it, in lines. What is too old leaves the window."""
        horizon_ms = (judged.now_s - self.settle_s) * 1000
        lines = list(self._lines(fates, window, horizon_ms))
        for key, fate in fates.items():
            if key not in self._settled and key[1] < horizon_ms and key not in judged.open:
                self._settled[key] = fate
        self._let_go(window, judged.now_s)
        rest = {key: fate for key, fate in fates.items() if key in window.fires}
        rest |= self._settled
        self.counts = self._gone + Counter(word for fate in rest.values() for word in fate)
        self.fires = self._gone_fires + len(rest)
        return lines

    def _let_go(self, window: Window, now_s: float) -> None:
        leaving = [key for key in window.leaving(now_s) if key in self._settled]
        for key in leaving:
            self._gone.update(self._settled.pop(key))
        self._gone_fires += len(leaving)
        gone = set(leaving)
        self._said = {one for one in self._said if one[0] not in gone}
        window.forget(leaving, now_s)

    def _lines(self, fates: Fates, window: Window, horizon_ms: float) -> Iterator[str]:
        new: defaultdict[tuple[str, ...], list[FireKey]] = defaultdict(list)
        for key, fate in fates.items():
            words = tuple(word for word in _TOLD if self._is_news(key, word, fate, horizon_ms))
            self._said.update((key, word) for word in words)
            if words:
                new[words].append(key)
        for words, keys in new.items():
            yield from _told(words, sorted(keys, key=lambda key: key[1]), window.fires)

    def _is_news(self, key: FireKey, word: str, fate: tuple[str, ...], horizon_ms: float) -> bool:
        too_early = word in _NOT_FINAL and key[1] >= horizon_ms
        return word in fate and not too_early and (key, word) not in self._said


def _told(
    words: Sequence[str], keys: Sequence[FireKey], events: Mapping[FireKey, Sequence[Event]]
) -> Iterator[str]:
    """One line per fire of which these words are new, or one for all where they are many."""
    if len(keys) > NAMED:
        yield f"{words[0]}: {len(keys)} fires, first {_name(keys[0])}"
        return
    for key in keys:
        yield f"{words[0]}: {_name(key)} {_what(words[0], key, events)}"


def _name(key: FireKey) -> str:
    due = datetime.fromtimestamp(key[1] / 1000)
    return f"{key[0]} due {due:%H:%M:%S}.{key[1] % 1000 // 100}"


def _what(word: str, key: FireKey, events: Mapping[FireKey, Sequence[Event]]) -> str:
    """What is said of the fire, and who ran it."""
    runs = [event for event in events.get(key, ()) if isinstance(event, RunStarted)]
    late_s = min((run.t for run in runs), default=0.0) - key[1] / 1000
    said = _TOLD[word].format(times=len(runs), late_s=late_s)
    names = dict.fromkeys(run.instance for run in sorted(runs, key=lambda run: run.t))
    if word == "overlap":
        names = dict.fromkeys(_beside(runs, events)) | names
    return f"{said} ({_few(_short(list(names)))})" if names else said


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _short(names: Sequence[str]) -> list[str]:
    """Hosts for names, except where two instances of one host stand side by side."""
    hosts = [name.rpartition("-")[0] for name in names]
    return [
        name if hosts.count(host) > 1 else host for name, host in zip(names, hosts, strict=True)
    ]


def _beside(runs: Sequence[RunStarted], events: Mapping[FireKey, Sequence[Event]]) -> list[str]:
    """The instances with a run of the same job that was open when one of `runs` began."""
    job = [event for (name, _), some in events.items() if name == runs[0].job for event in some]
    ends = {event.run: event.t for event in job if isinstance(event, RunEnded)}
    return [
        other.instance
        for other in job
        if isinstance(other, RunStarted)
        for run in runs
        if other.t < run.t < ends.get(other.run, float("inf"))
    ]
