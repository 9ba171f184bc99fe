"""What a bench was asked to do, and the trials that follow from it."""

from collections import Counter
from pathlib import Path

import pytest

from bench.errors import BadArguments
from bench.runner import Bench
from bench.scenarios import SCENARIOS
from bench.settings import QUICK_STRATEGIES, Settings, Size, cells, check_settings, plans, profile
from bench.settings import settings_from as settings_from_options
from strategies.model import Every


def asked(**options: object) -> object:
    options = {"strategies": [], "scenarios": []} | options
    return settings_from_options(options.pop("profile", "quick"), **options)  # type: ignore[arg-type]


def settings_from(profile_name: str, **options: object) -> Settings:
    return settings_from_options(profile_name, strategies=[], scenarios=[], **options)  # type: ignore[arg-type]


def test_the_quick_profile_has_the_reference_strategies_under_four_scenarios() -> None:
    quick = check_settings(profile("quick"))
    compared = [cell for cell in cells(quick) if cell[0] in QUICK_STRATEGIES]
    assert len(compared) == 8 * 4 + 2
    assert quick.trials == 2


def test_the_quick_profile_has_a_platform_of_minutes_in_two_scenarios_only() -> None:
    def under(settings: Settings) -> list[str]:
        return [one for name, one, _ in cells(settings) if name == "cronjob"]

    assert under(check_settings(profile("quick"))) == ["steady", "crash"]
    asked_for = settings_from_options("quick", strategies=["cronjob"], scenarios=["pause"])
    assert under(asked_for) == ["pause"]
    full = check_settings(profile("full"))
    assert set(under(full)) == {*full.scenarios, *full.rare_scenarios}
    sizes = {size for name, _, size in cells(full) if name == "cronjob"}
    assert sizes == {Size(3, 10)}


def test_a_platform_of_minutes_has_periods_and_phases_of_whole_minutes() -> None:
    settings = settings_from_options("quick", strategies=["cronjob"], scenarios=[], period_s=70.0)
    steady = next(plans(settings))
    assert steady.why_not is None
    assert {job.schedule for job in steady.workload.jobs} <= {
        Every(120_000, 0),
        Every(120_000, 60_000),
    }


def test_a_workload_that_a_platform_cannot_keep_is_not_run_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text("[[jobs]]\nname = 'report'\nevery = '90s'\nphase = '0s'\n")
    settings = settings_from_options(
        "quick", strategies=["cronjob"], scenarios=["steady"], workload=str(file)
    )
    assert "report is due every 90 s" in (next(plans(settings)).why_not or "")


def test_a_control_runs_in_steady_and_in_the_scenario_that_must_break_it() -> None:
    found = {
        (name, scenario)
        for name, scenario, _ in cells(check_settings(profile("quick")))
        if name not in QUICK_STRATEGIES
    }
    assert ("lock-without-ttl", "crash") in found
    assert ("lock-without-ttl", "steady") in found
    assert ("lock-without-ttl", "pause") not in found
    assert ("uncoordinated", "crash") not in found


def test_the_full_profile_sweeps_the_sizes_in_steady_only() -> None:
    full = check_settings(profile("full"))
    steady = {size for name, one, size in cells(full) if name == "quartz" and one == "steady"}
    crash = {size for name, one, size in cells(full) if name == "quartz" and one == "crash"}
    assert len(steady) == 12
    assert crash == {Size(3, 10), Size(10, 10)}


def test_the_full_profile_runs_every_scenario_the_rarer_ones_small_and_seldom() -> None:
    full = check_settings(profile("full"))
    asked = [one for one in cells(full) if one[0] == "redis-lock"]
    assert {scenario for _, scenario, _ in asked} == set(SCENARIOS)
    assert [size for _, scenario, size in asked if scenario == "reset"] == [Size(3, 10)]
    many = Counter((one.design.name, one.scenario.name) for one in plans(full))
    assert many["redis-lock", "crash"] == 2 * 5
    assert many["redis-lock", "reset"] == 2
    assert many["redis-lock-hold", "crash"] == 5  # a variant
    assert many["redis-lock-hold", "reset"] == many["cronjob", "burst"] == 1


def test_the_full_profile_is_expected_to_take_less_than_six_hours() -> None:
    bench = Bench(list(plans(check_settings(profile("full")))), None, None, registration=None)  # type: ignore[arg-type]
    bench._left = [one for one in bench.plans if one.why_not is None]
    assert 3 * 3600 < bench._left_s() < 6 * 3600


def test_scenarios_that_are_asked_for_replace_the_rarer_ones_too() -> None:
    asked = settings_from_options("full", strategies=["quartz"], scenarios=["reset"])
    assert {one.scenario.name for one in plans(asked)} == {"reset"}
    assert sum(1 for _ in plans(asked)) == 2 * 5


def test_a_control_is_never_run_alone() -> None:
    full = check_settings(profile("full"))
    assert all(size.instances > 1 for name, _, size in cells(full) if name == "uncoordinated")


def test_each_trial_has_a_seed_of_its_own_that_follows_from_the_benchs() -> None:
    settings = check_settings(profile("quick"))
    first, second = (list(plans(settings)) for _ in range(2))
    assert [plan.seed for plan in first] == [plan.seed for plan in second]
    assert len({plan.seed for plan in first}) == len(first)


def test_naming_strategies_leaves_the_controls_out_unless_they_are_asked_for() -> None:
    assert not settings_from_options("quick", strategies=["quartz"], scenarios=[]).controls
    again = settings_from_options("quick", strategies=["quartz"], scenarios=[], controls=True)
    assert again.controls


def test_n_and_m_replace_the_profiles_sizes() -> None:
    settings = settings_from_options("quick", strategies=[], scenarios=[], instances=5, jobs=7)
    assert settings.sizes == settings.fault_sizes == (Size(5, 7),)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strategies": ["redis-lok"]}, "redis-lock"),
        ({"scenarios": ["crahs"]}, "crash"),
        ({"instances": 0}, "N .*0"),
        ({"instances": -3}, "N .*-3"),
        ({"jobs": 0}, "M .*0"),
        ({"trials": 0}, "k .*0"),
        ({"period_s": 0.05}, "0.05"),
        ({"period_s": -1.0}, "-1"),
        ({"lease_s": 0.0}, "lease"),
        ({"timing": "fast"}, "fast"),
        ({"profile": "quik"}, "quik"),
        ({"profile": "none.toml"}, "none.toml"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(BadArguments, match=said):
        asked(**options)


@pytest.mark.parametrize("text", ["trials = ", "trials = 'many'", "colour = 'red'"])
def test_a_broken_profile_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(BadArguments, match=r"mine\.toml"):
        profile(str(file))


def test_a_profile_file_is_named_after_itself(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("strategies = ['quartz']\n[[sizes]]\ninstances = 2\njobs = 4\n")
    settings = profile(str(file))
    assert (settings.profile, settings.sizes) == ("mine", (Size(2, 4),))


PARTS = """
trials = 2
controls = false
[[parts]]
strategies = ["redis-lock", "quartz"]
scenarios = ["steady", "crash"]
[[parts]]
strategies = ["quartz"]
scenarios = ["crash"]
trials = 3
[[parts]]
strategies = ["quartz"]
scenarios = ["crash"]
timing = "vendor"
"""


def in_parts(directory: Path, text: str) -> str:
    (directory / "mine.toml").write_text(text)
    return str(directory / "mine.toml")


def test_a_bench_in_parts_is_their_union_and_runs_a_trial_of_two_parts_once(tmp_path: Path) -> None:
    found = [
        (plan.design.name, plan.scenario.name, plan.timing.profile, plan.k)
        for plan in plans(settings_from(in_parts(tmp_path, PARTS)))
    ]
    assert len(found) == len(set(found)) == 2 * 2 * 2 + 1 + 2
    assert ("quartz", "crash", "equal", 3) in found
    assert ("quartz", "crash", "vendor", 2) in found
    assert ("redis-lock", "crash", "equal", 3) not in found


def test_a_wrong_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadArguments, match=r"part 2 of profile mine: .*redis-lokc.*redis-lock"):
        settings_from(in_parts(tmp_path, PARTS.replace('["quartz"]', '["redis-lokc"]', 1)))
    with pytest.raises(BadArguments, match=r"part 2 of profile mine: .*trails"):
        settings_from(in_parts(tmp_path, PARTS.replace("trials = 3", "trails = 3")))


def test_options_do_not_silently_miss_a_bench_in_parts(tmp_path: Path) -> None:
    with pytest.raises(BadArguments, match="has parts, which options cannot change"):
        settings_from(in_parts(tmp_path, PARTS), trials=1)


def test_the_published_profile_can_be_run() -> None:
    published = list(plans(settings_from("published/published.toml")))
    assert {plan.timing.profile for plan in published} == {"equal", "vendor"}
    assert {(plan.instances, len(plan.workload.jobs)) for plan in published} >= {(30, 100), (3, 10)}
