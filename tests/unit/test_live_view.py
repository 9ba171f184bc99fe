"""The live view fits the terminal, and shows first who needs to be looked at."""

import asyncio
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.errors import BadArguments
from bench.events import RunStarted
from bench.fleet import Instance
from bench.live.findings import Findings
from bench.live.injections import Injection
from bench.live.plan import Asked, judged_by, plan_of
from bench.live.screen import Screen
from bench.live.view import View, draw, status_lines
from bench.live.watch import LINES, Watch
from chaos.links.faults import Partition
from chaos.processes import Kill
from strategies.notes import Granted, Lost


def instance(name: str) -> Instance:
    return Instance(name, 0, Path("x"))


def view(n: int = 5, **changes: Any) -> View:
    instances = [instance(f"i{number}-ab12") for number in range(1, n + 1)]
    findings = Findings(10.0)
    findings.counts, findings.fires = Counter({"on-time": 120, "duplicate": 2}), 122
    live = SimpleNamespace(ready={one.name for one in instances}, open_runs={}, leaders={})
    made: dict[str, Any] = {
        "plan": plan_of(Asked(strategy="redis-lock", instances=n)),
        "now_s": 1_800_000_100.0,
        "since_s": 1_800_000_000.0,
        "watch": Watch(),
        "live": live,
        "findings": findings,
        "instances": instances,
        "injections": [],
    }
    return View(**(made | changes))


def injection(number: int, name: str, fault: Any = Partition(), asked: str = "partition") -> Any:
    since = 1_800_000_096.0
    return Injection(number, asked, fault, instance(name), "holder of job-0001", since, since + 10)


def lines(shown: View, width: int = 80, height: int = 24) -> list[str]:
    drawn = draw(shown, width, height).plain.split("\n")
    assert len(drawn) == height
    assert all(len(line) <= width for line in drawn)
    return drawn


@pytest.mark.parametrize("n", [1, 5, 10, 50])
@pytest.mark.parametrize("faults", [0, 1, 4])
@pytest.mark.parametrize("size", [(80, 24), (120, 50), (60, 20)])
def test_it_fits_whatever_there_is_to_show(n: int, faults: int, size: tuple[int, int]) -> None:
    shown = view(n, injections=[injection(k, f"i{k}-ab12") for k in range(1, faults + 1)])
    for number in range(100):
        shown.watch.tell(shown.now_s, f"duplicate: {number} " + "x" * 100)
    drawn = lines(shown, *size)
    assert drawn[0].startswith("redis-lock")
    assert "coordbench down" in drawn[-1] or size[0] < 80


def test_ten_instances_two_faults_and_what_happened_last_fit_a_small_terminal() -> None:
    faults = [injection(1, "i3-ab12"), injection(2, "i9-ab12")]
    shown = view(10, injections=faults)
    for number in range(20):
        shown.watch.tell(shown.now_s, f"event {number}")
    drawn = "\n".join(lines(shown))
    assert "i9-ab12   cut both ways 4.0 s" in drawn
    assert "#2 partition of i9-ab12 (holder of job-0001), 4.0 s: heals in 6.0 s" in drawn
    assert "event 19" in drawn
    assert "event 16" in drawn


def test_of_fifty_instances_those_that_are_broken_or_hold_something_are_shown() -> None:
    shown = view(50, injections=[injection(1, "i47-ab12")])
    run = RunStarted(run="i49-ab12:1", job="job-0007", due_ms=0, instance="i49-ab12")
    shown.live.open_runs["i49-ab12:1"] = run
    drawn = "\n".join(lines(shown))
    assert "i47-ab12  cut both ways" in drawn
    assert "job-0007" in drawn
    assert "more" in drawn


async def test_a_killed_instance_says_when_it_is_back() -> None:
    shown = view(3, injections=[injection(1, "i2-ab12", Kill(), "kill")])
    shown.instances[1].ended = asyncio.Event()
    shown.instances[1].ended.set()
    assert "i2-ab12   killed, back in 6.0 s" in "\n".join(lines(shown))


def test_a_successor_takes_the_line_of_whom_it_replaces() -> None:
    shown = view(2)
    shown.instances.append(instance("i2-ffff"))  # type: ignore[attr-defined]
    shown.live.ready.add("i2-ffff")
    drawn = "\n".join(lines(shown))
    assert "i2-ffff   running" in drawn
    assert "i2-ab12" not in drawn


def test_a_leader_is_shown_as_such_and_a_change_is_told() -> None:
    shown = view(2)
    shown.live.leaders["i1-ab12"] = 1.0
    assert "leader" in "\n".join(lines(shown))
    shown.watch.take([Granted(subject="leader", instance="i1-ab12")])
    shown.watch.take([Granted(subject="leader", instance="i2-ab12")])
    assert shown.watch.lines[-1].text == "leader: i2-ab12, before: i1-ab12"


def test_what_happened_is_kept_in_bounds() -> None:
    watch = Watch()
    lost = [Lost(subject=f"job-{number}", reason="renewal refused") for number in range(1000)]
    watch.take(lost)
    assert len(watch.lines) == len(watch.news) == LINES


def test_status_says_what_is_injected() -> None:
    assert status_lines(view()) == ["redis-lock, 5 instances, up 1 min 40 s: nothing is injected"]
    assert "heals in 6.0 s" in status_lines(view(injections=[injection(1, "i2-ab12")]))[1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"strategy": "redis-lok"}, "did you mean redis-lock"),
        ({"instances": 0}, "N \\(instances\\) is 0"),
        ({"jobs": -1}, "M \\(jobs\\) is -1"),
        ({"period_s": 0.01}, "the period is"),
        ({"timing": "fast"}, "expected equal, vendor or guide"),
        ({"workload": "nowhere.toml"}, "workload nowhere.toml"),
    ],
)
def test_what_cannot_be_brought_up_is_refused_in_words(change: dict[str, Any], why: str) -> None:
    with pytest.raises(BadArguments, match=why):
        plan_of(Asked(**({"strategy": "redis-lock"} | change)))


def test_a_session_is_judged_by_the_promises_for_what_was_done_to_it() -> None:
    plan = plan_of(Asked(strategy="redis-lock"))
    promise = plan.design.promise
    steady = judged_by(plan.record(), plan.design, set())
    assert (steady.stress, steady.allowed) == ("steady", promise.allowed("steady"))
    killed = judged_by(plan.record(), plan.design, {"kill"})
    assert (killed.stress, killed.allowed) == ("crash", promise.allowed("crash"))
    both = judged_by(plan.record(), plan.design, {"kill", "pause"})
    assert both.stress == "by-hand"
    assert both.allowed.overlaps == (
        promise.allowed("crash").overlaps or promise.allowed("pause").overlaps
    )


class Stuck:
    """A console whose terminal takes nothing until it is let go."""

    is_terminal = False

    def __init__(self) -> None:
        self.go = threading.Event()
        self.said: list[str] = []

    def print(self, text: Any, **_: Any) -> None:
        self.go.wait(10)
        self.said.append(str(text))


async def test_a_pipe_that_nobody_reads_keeps_nothing_waiting() -> None:
    stuck, shown = Stuck(), view()
    screen = Screen(stuck)  # type: ignore[arg-type]
    async with screen.showing(lambda: shown):
        for number in range(3):
            shown.watch.tell(shown.now_s, f"event {number}")
            screen.show()
        assert not stuck.said
        stuck.go.set()
    assert [line.split()[-1] for line in stuck.said] == ["0", "1", "2"]
