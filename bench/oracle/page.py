"""What an exam found, as the tables of docs/oracle.md and as a verdict."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.errors import BadArguments, Exit
from bench.judge import Judgement
from bench.oracle.exam import SIZE, Exam, Finding

MADE, END = "make oracle", "<!-- end of what is made -->"


def verdict(exam: Exam) -> tuple[Exit, list[str]]:
    """The exit code of an exam, and a line per reason."""
    findings, healthy = exam.findings(), exam.healthy_trials()
    missed = [one.mutant.name for one in findings if one.trials and not one.found]
    untried = [one.mutant.name for one in findings if not one.trials]
    alarms = [one for one in healthy if one.verdict.status == "broken"]
    valid = [one for one in healthy if one.verdict.status in ("ok", "broken")]
    lines = [f"not found: {name}" for name in missed]
    lines += [f"no valid trial: {name}" for name in untried]
    lines += [f"false alarm: {_trial(one)}: {_promises(one)}" for one in alarms]
    if len(valid) < exam.healthy:
        lines.append(f"healthy trials: {len(valid)} of {exam.healthy} are valid")
    found = sum(one.found for one in findings)
    lines.append(
        f"{found} of {len(findings)} mutants found; "
        f"{len(alarms)} false alarms in {len(valid)} healthy trials"
    )
    if missed or alarms:
        return Exit.BROKEN, lines
    return Exit.INVALID if untried or len(valid) < exam.healthy else Exit.KEPT, lines


def tables(exam: Exam) -> str:
    """The two tables, in Markdown."""
    lines = [
        where_and_when(exam),
        "",
        "| mutant | of | planted | scenario | trials | broken promise | fires | for example |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(one) for one in exam.findings()),
        "",
        *_healthy(exam.healthy_trials()),
        "",
    ]
    return "\n".join(lines)


def where_and_when(exam: Exam) -> str:
    """The line that says on what machine an exam's trials ran, and how large they were."""
    machine = exam.results.environment.get("machine", {})
    days = sorted({one.record.started[:10] for one in exam.healthy_trials()})
    return (
        f"{' to '.join(dict.fromkeys((*days[:1], *days[-1:])))}, {machine.get('cores')} cores "
        f"({machine.get('processor')}): N = {SIZE.instances}, M = {SIZE.jobs}, P = 1 s, L = 2 s."
    )


def put_into(page: Path, text: str, made_by: str = MADE) -> None:
    """Replace what stands between the two marks of a page; the first says what made it."""
    begin_mark = f"<!-- made by: {made_by} -->"
    old = page.read_text() if page.exists() else ""
    before, begin, rest = old.partition(begin_mark)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BadArguments(f"{page}: expected the lines {begin_mark} and {END}")
    page.write_text(f"{before}{begin_mark}\n{text}{END}{after}")


def _row(one: Finding) -> str:
    mutant = one.mutant
    count = str(len(one.trials)) if one.found else f"not found in {len(one.trials)}"
    broken = one.broken[0] if one.found else ""
    example = _shortly(one.fires[0]) if one.found else ""
    cells = (
        f"`{mutant.name}`", f"`{mutant.of}`", mutant.planted, mutant.scenario,
        count, broken, str(len(one.fires)) if one.found else "", example,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _shortly(fire: str) -> str:
    """A fire's id with the last digits of its due time only."""
    job, _, due_ms = fire.partition("@")
    return f"`{job}@...{due_ms[-7:]}`"


def _healthy(trials: Sequence[Judgement]) -> Iterator[str]:
    valid = [one for one in trials if one.verdict.status in ("ok", "broken")]
    cells: defaultdict[str, list[Judgement]] = defaultdict(list)
    for one in valid:
        cells[f"`{one.record.strategy}` | {one.record.scenario}"].append(one)
    yield "| without a bug | scenario | trials | fires | alarms |"
    yield "|---|---|---|---|---|"
    for name, some in cells.items():
        yield f"| {name} | {_sums(some)} |"
    yield f"| all | | {_sums(valid)} |"


def _sums(trials: Sequence[Judgement]) -> str:
    fires = sum(one.metrics.fires for one in trials if one.metrics)
    return f"{len(trials)} | {fires} | {sum(one.verdict.status == 'broken' for one in trials)}"


def _trial(one: Judgement) -> str:
    return f"{one.record.strategy} {one.record.scenario} #{one.record.k}"


def _promises(one: Judgement) -> str:
    return ", ".join(f"{broken.promise} ({broken.fires[0]})" for broken in one.verdict.broken)
