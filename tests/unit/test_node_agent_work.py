"""What a node tells a pod's run of the trial: how long it lasts, and whether it fails."""

from typing import Any

import pytest

from bench.config import Work
from bench.node_agent.agent import failing, told_of
from strategies.kubernetes.objects import Container, EnvVar, Meta, Pod, PodSpec

MINUTE = 29_000_000  # since the epoch


def a_pod(minute: int, name: str = "p") -> Pod:
    container = Container(name="run", env=[EnvVar(name="COORDBENCH_JOB", value="report")])
    labels = {"batch.kubernetes.io/job-name": f"report-{minute}"}
    return Pod(metadata=Meta(name=name, labels=labels), spec=PodSpec(containers=[container]))


def test_a_flapping_job_fails_in_its_bad_spells_and_works_in_its_good_ones() -> None:
    work = Work(flaps_s=120)
    found = [failing(work, a_pod(MINUTE + n), 1.0) for n in range(8)]
    assert found in ([False, False, True, True] * 2, [True, True, False, False] * 2)
    assert found == [work.fails_at((MINUTE + n) * 60_000) for n in range(8)]


def test_a_share_of_runs_fails_pod_by_pod() -> None:
    given = [
        told_of(a_pod(MINUTE, f"p{n}"), {"report": Work(1, failure_rate=0.3)}, 7)
        for n in range(500)
    ]
    assert sum(one["COORDBENCH_FAIL"] == "1" for one in given) / 500 == pytest.approx(0.3, abs=0.06)


def test_runs_last_as_their_job_says_within_its_spread() -> None:
    def seconds(pod: Pod, **work: Any) -> float:
        return float(told_of(pod, {"report": Work(**work)}, 7)["COORDBENCH_RUN_S"])

    assert seconds(a_pod(MINUTE), duration_s=3.0) == 3.0
    several = {seconds(a_pod(MINUTE, f"p{n}"), duration_s=1.0, spread=0.2) for n in range(50)}
    assert len(several) == 50
    assert 0.8 <= min(several) < max(several) <= 1.2
