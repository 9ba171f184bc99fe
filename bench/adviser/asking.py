"""The questions, asked one by one where somebody sits at a terminal."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rich.console import Console
from rich.prompt import Confirm, IntPrompt, Prompt

from bench.adviser.case import COSTS, SERVICES, TEAMS, Case, checked

NUMBERS = (("instances", "How many instances (replicas)", 3), ("jobs", "How many jobs", 10))
LENGTHS = (
    ("period", "The shortest period", "1m"),
    ("longest_run", "The longest run", "10s"),
    ("failover", "How long may jobs stand still after an instance died", "1m"),
)
CHOICES = (
    ("duplicate_cost", "What does a run too many cost", COSTS, "low"),
    ("missed_cost", "What does a missed run cost", COSTS, "low"),
    ("team", "How big is the team that operates it", TEAMS, "medium"),
)
YES_NO = (
    ("idempotent", "Are the jobs idempotent"),
    ("fenced", "Can what they write to refuse an older fencing token"),
    ("spikes", "Are there spikes, ten times the usual"),
    ("audit", "Is an audit trail asked for"),
    ("calendars", "Business calendars"),
    ("dependencies", "Jobs that depend on each other"),
    ("isolation", "Must runs be isolated (GPU, memory, rights)"),
)


def ask(console: Console, given: dict[str, Any]) -> Case:
    """Ask whatever `given` does not answer. Raises BadArguments for what cannot be used."""
    answers = dict(given)
    for name, question in _questions(console):
        if name not in answers:
            answers[name] = question()
    return checked(answers)


def _questions(console: Console) -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, text, number in NUMBERS:
        yield name, partial(IntPrompt.ask, text, console=console, default=number)
    for name, text, length in LENGTHS:
        yield name, partial(Prompt.ask, text, console=console, default=length)
    for name, text, choices, usual in CHOICES:
        yield (
            name,
            partial(Prompt.ask, text, console=console, choices=list(choices), default=usual),
        )
    for name, text in YES_NO:
        yield name, partial(Confirm.ask, text, console=console, default=False)
    yield "operated", partial(_operated, console)


def _operated(console: Console) -> list[str]:
    text = f"What is operated already ({', '.join(SERVICES)})"
    said = Prompt.ask(text, console=console, default="")
    return [word.strip() for word in said.split(",") if word.strip()]
