"""Workloads: made from M, or read from a TOML file that people write."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BadArguments
from bench.scenario_files import load_scenario
from bench.settings import profile
from bench.workload import default_workload, load_workload, period_for, seconds
from strategies.model import Cron, Every, Timing


def written(path: Path, text: str) -> Path:
    file = path / "jobs.toml"
    file.write_text(text)
    return file


def test_default_jobs_have_the_asked_period_and_spread_phases() -> None:
    workload = default_workload(10, 1.0)
    schedules = [job.schedule for job in workload.jobs]
    assert all(isinstance(one, Every) and one.period_ms == 1000 for one in schedules)
    assert len({one.phase_ms for one in schedules if isinstance(one, Every)}) > 5


def test_the_runs_of_every_tenth_job_outlast_a_third_of_the_default_lease() -> None:
    work = default_workload(20, 1.0).work
    long_ones = [name for name, one in work.items() if one.duration_s > Timing().lease_s / 3]
    assert long_ones == ["job-0010", "job-0020"]
    assert default_workload(10, 0.6).work["job-0010"].duration_s == pytest.approx(0.48)
    assert default_workload(10, 0.1).work["job-0010"].duration_s == 0.4


def test_a_phase_depends_on_the_name_alone() -> None:
    assert default_workload(3, 1.0).jobs == default_workload(10, 1.0).jobs[:3]


@given(st.integers(1, 50), st.integers(1, 1000))
def test_the_period_grows_so_that_attempts_stay_at_a_thousand_a_second(n: int, m: int) -> None:
    period_s = period_for(n, m, 1.0)
    assert period_s >= 1.0
    assert n * m / period_s <= 1000 * (1 + 1e-9)


def test_a_file_gives_jobs_with_policies_and_work(tmp_path: Path) -> None:
    workload = load_workload(
        written(
            tmp_path,
            """
            [defaults]
            duration = "200ms"
            [[jobs]]
            name = "report"
            every = "500ms"
            phase = "100ms"
            misfire = "skip"
            timeout = "5s"
            [[jobs]]
            name = "invoice"
            cron = "*/5 * * * *"
            zone = "Europe/Berlin"
            overlap = "allow"
            duration = "2s"
            spread = 0.2
            failure_rate = 0.5
            """,
        )
    )
    report, invoice = workload.jobs
    assert report.schedule == Every(500, 100)
    assert (report.misfire, report.timeout_s) == ("skip", 5.0)
    assert invoice.schedule == Cron("*/5 * * * *", "Europe/Berlin")
    assert invoice.overlap == "allow"
    assert workload.work["report"].duration_s == 0.2
    assert workload.work["invoice"].failure_rate == 0.5
    assert workload.longest_run_s == pytest.approx(2.4)
    assert workload.period_s == 60.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[jobs]]\nname = 'a'", "either every or cron"),
        ("[[jobs]]\nname = 'a'\nevery = '1s'\ncron = '* * * * *'", "either every or cron"),
        ("[[jobs]]\nname = 'a'\nevery = '50ms'", "50 ms"),
        ("[[jobs]]\nname = 'a'\nevery = 'soon'", "soon"),
        ("[[jobs]]\nname = 'a'\ncron = 'x'", "'x'"),
        ("[[jobs]]\nname = 'a'\nevery = '1s'\ncolour = 'red'", "colour"),
        ("[[jobs]]\nname = 'a'\nevery = '1s'\noverlap = 'maybe'", "maybe"),
        ("[[jobs]]\nname = 'a'\nevery = '1s'\n[[jobs]]\nname = 'a'\nevery = '1s'", "own name"),
        ("[[jobs]]\nname = 'a'\nevery = '1s'\nduration = 'long'", "'long'"),
        ("jobs = []", "one or more jobs"),
        ("jobs = ", "jobs.toml"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(BadArguments, match=said) as refused:
        load_workload(written(tmp_path, text))
    assert str(refused.value).startswith(f"workload {tmp_path / 'jobs.toml'}: ")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArguments, match="No such file"):
        load_workload(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "value"), [("200ms", 0.2), ("1.5 s", 1.5), ("2m", 120), ("1h", 3600)]
)
def test_lengths_of_time_are_read_with_their_unit(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("kind", ["workload", "scenario", "profile"])
def test_a_file_that_is_no_text_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    readers = {
        "workload": load_workload,
        "scenario": load_scenario,
        "profile": lambda file: profile(str(file)),
    }
    file = tmp_path / "binary.toml"
    file.write_bytes(b"\xff\xfe not text")
    with pytest.raises(BadArguments, match=rf"{kind} .*binary\.toml: .*utf-8.* .docs/") as refused:
        readers[kind](file)
    assert "\n" not in str(refused.value)
