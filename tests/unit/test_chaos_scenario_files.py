"""Scenarios from TOML files: what people write, and what they are told when it is wrong."""

import textwrap
from pathlib import Path

import pytest

from bench.errors import BadArguments
from bench.plan import Plan
from bench.scenario import After, OnceTakenOver, ScaleOut
from bench.scenario_files import KINDS
from bench.scenarios import scenario
from bench.settings import Size, plan, settings_from
from chaos.clock import StepClock
from chaos.links.faults import Delay, Partition

NEED_A_VALUE = {"delay", "drop", "clock", "clock-drift", "service-clock"}
HEAD = 'summary = "Mine. All mine."\nstress = "partition"\n'


def written(tmp_path: Path, text: str, head: str = HEAD) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(head + text)
    return str(path)


def fault(text: str, rest: str = 'target = "holder"') -> str:
    return f"[[faults]]\nfault = {{ {text} }}\n{rest}\n"


def test_a_file_is_a_scenario_named_after_it(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "load = { aligned = true, lease_runs = 0.5 }\n"
        + fault(
            'kind = "partition", direction = "in"',
            'target = "holder"\nafter = "3s"\njitter = "0s"\n'
            'heal = { taken_over = ["1.5L", "4L"] }',
        ),
    )
    mine = scenario(path)
    [planned] = mine.faults
    assert (mine.name, mine.stress, mine.summary, mine.file) == (
        "mine", "partition", "Mine. All mine.", path
    )  # fmt: skip
    assert (mine.load.aligned, mine.load.lease_runs) == (True, 0.5)
    assert planned.fault(2.0) == Partition("in")
    assert (planned.target, planned.after_s, planned.jitter_s) == ("holder", 3.0, 0.0)
    assert planned.healing == OnceTakenOver(1.5, 4.0)


def test_lengths_in_leases_grow_with_the_lease(tmp_path: Path) -> None:
    delay = fault('kind = "delay", seconds = "0.1L", jitter_s = "50ms"', 'target = "all"')
    [planned] = scenario(written(tmp_path, delay)).faults
    assert planned.fault(2.0) == Delay(0.2, 0.05)
    assert planned.fault(30.0) == Delay(3.0, 0.05)


def test_a_clock_can_go_back(tmp_path: Path) -> None:
    [planned] = scenario(written(tmp_path, fault('kind = "clock", seconds = "-0.5L"'))).faults
    assert planned.fault(2.0) == StepClock(-1.0)


@pytest.mark.parametrize(
    ("text", "healing"),
    [
        ("3s", After(seconds=3.0)),
        ("200ms", After(seconds=0.2)),
        ("2L", After(leases=2.0)),
        ("4P", After(periods=4.0)),
    ],
)
def test_a_fault_heals_after_seconds_leases_or_periods(tmp_path: Path, text, healing) -> None:
    kill = fault('kind = "kill"', f'target = "all"\nheal = {{ after = "{text}" }}')
    [planned] = scenario(written(tmp_path, kill)).faults
    assert planned.healing == healing


@pytest.mark.parametrize("kind", sorted(set(KINDS) - NEED_A_VALUE))
def test_every_kind_of_fault_can_be_written_by_its_name(tmp_path: Path, kind: str) -> None:
    target = "service" if KINDS[kind].acts_on == "service" else "all"
    text = fault(f'kind = "{kind}"', f'target = "{target}"\nheal = {{ after = "1L" }}')
    [planned] = scenario(written(tmp_path, text)).faults
    made = planned.fault(2.0)
    assert made.kind == kind
    assert isinstance(made, ScaleOut) == (kind == "scale-out")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (fault('kind = "killl"'), "unknown fault 'killl': did you mean kill"),
        (fault('kind = "kill", hard = true'), "fault kill has no 'hard': expected nothing but"),
        (fault('kind = "delay"'), "fault delay: Object missing required field `seconds`"),
        (fault('kind = "delay", seconds = "soon"'), "Expected `float`"),
        (fault('kind = "partition", direction = "up"'), "Invalid enum value 'up'"),
        (fault('kind = "kill"', 'target = "holders"'), "Invalid enum value 'holders'"),
        (fault('kind = "kill"', 'target = "service"'), "fault of a process cannot have"),
        (fault('kind = "service-kill"'), "fault of a service cannot have the target 'holder'"),
        (fault('kind = "kill"', 'target = "one"\nafter = "-1s"'), "not before the load begins"),
        (fault('kind = "kill"', 'target = "one"\nafter = "1L"'), "strikes at a time in seconds"),
        (fault('kind = "kill"', 'target = "one"\nheal = { after = "-1s" }'), "expected 0 or more"),
        (fault('kind = "kill"', 'target = "one"\nheal = {}'), "give either after"),
        (
            fault('kind = "pause"', 'target = "one"\nheal = { taken_over = ["1L", "2L"] }'),
            'taken_over needs the target "holder"',
        ),
        (
            fault('kind = "pause"', 'target = "holder"\nheal = { taken_over = ["3L", "2L"] }'),
            "two lengths in leases",
        ),
        (fault('kind = "scale-out"', 'target = "all"'), "needs a heal: when the old instances"),
        (fault('kind = "migrate"', 'target = "all"'), "needs a heal: when the old instances"),
        (fault('kind = "delay", seconds = "-1s"'), "a delay of -1 s +0: expected 0 or more"),
        (fault('kind = "drop", share = 1.5'), "share is 1.5: expected more than 0 and at most 1"),
        (fault('kind = "clock-drift", rate = 0.9'), "rate is 0.9: expected -0.5 to 0.5, not 0"),
        (fault('kind = "cpu-squeeze", share = 0'), "share is 0: expected more than 0 and less"),
        (fault('kind = "memory-squeeze", headroom_mb = -1'), "headroom_mb is -1: expected 0"),
        ("load = { alined = true }\n", "alined"),
        ("surprise = 1\n", "surprise"),
        ("[[faults]", "docs/scenarios.md"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_the_file(tmp_path: Path, text, said) -> None:
    with pytest.raises(BadArguments) as refused:
        scenario(written(tmp_path, text))
    assert said in str(refused.value)
    assert "mine.toml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_faults_that_would_overlap_are_refused_at_the_lease_in_force(tmp_path: Path) -> None:
    pause = fault('kind = "pause"', 'target = "one"\nafter = "1s"\nheal = { after = "1L" }')
    path = written(tmp_path, pause + fault('kind = "kill"', 'target = "one"\nafter = "4s"'))

    def planned(lease_s: float) -> Plan:
        settings = settings_from(
            "quick", strategies=["quartz"], scenarios=[path], lease_s=lease_s
        )  # fmt: skip
        return plan(settings, "quartz", path, Size(3, 5), 1)

    assert planned(2.0).scenario.strikes(3) == 2
    with pytest.raises(BadArguments, match=r"fault 2 begins at 4 s, while fault 1 may last until"):
        planned(4.0)


def test_an_unknown_stress_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArguments, match="stress"):
        scenario(written(tmp_path, "", head='summary = "x"\nstress = "boredom"\n'))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(BadArguments, match=r"/nowhere/x\.toml: No such file"):
        scenario("/nowhere/x.toml")


def test_an_unknown_name_says_the_nearest_and_that_files_are_possible() -> None:
    with pytest.raises(BadArguments, match=r"did you mean partition.*ending in \.toml"):
        scenario("partitoin")


def test_the_example_of_the_manual_is_a_scenario(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
    example = manual.partition('    summary = "')[2].partition("\n\nLengths")[0]
    path = written(tmp_path, textwrap.dedent('    summary = "' + example), head="")
    mine = scenario(path)
    assert [planned.target for planned in mine.faults] == ["all", "holder"]
    assert mine.through_links
