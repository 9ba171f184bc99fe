"""The claims' experiments on real servers: listings break as they are said to; a run resumes."""

import pytest
from rich.console import Console

from bench.claims.experiments import EXPERIMENTS, Servers
from bench.claims.listings import LISTINGS
from bench.claims.running import run_claims
from bench.evidence import read_evidence
from bench.leftovers import Registration

pytestmark = pytest.mark.servers


async def test_each_listing_does_what_the_docs_say_of_it(tmp_path):
    """On servers of their own, which they empty."""
    with Registration() as registration:
        async with Servers(tmp_path, registration) as servers:
            for one in LISTINGS:
                seen = await one.scene(await servers.url(one.service))
                assert seen.of > 0
                assert seen.hits >= seen.of / 2, f"{one.key}: {seen}"


def test_an_experiment_is_kept_and_not_run_again(tmp_path, capsys):
    console = Console(highlight=False)
    path = run_claims(tmp_path, ["split"], console)
    found = read_evidence([path]).experiment("split")
    assert found["both"] == found["rounds"] > 0
    assert found["granted_again_though_replicated"] == 0
    kept = path / "experiments" / "split.json"
    kept.write_text('{"rounds": 1, "both": 0}')
    assert run_claims(tmp_path, ["lock-latency"], console) == path
    assert read_evidence([path]).experiment("split") == {"rounds": 1, "both": 0}
    assert "[1/1] lock-latency" in capsys.readouterr().out
    assert not list(path.glob("experiments/*.half"))


@pytest.mark.slow
def test_the_lock_row_of_the_scheduler_is_free_while_its_jobs_run(tmp_path):
    found = read_evidence([run_claims(tmp_path, ["trigger-lock"], Console())])
    looks = found.experiment("trigger-lock")
    assert looks["samples"] > 50
    assert looks["locked"] < 0.2 * looks["samples"]


def test_every_experiment_says_what_it_is_and_how_long_it_takes():
    for one in EXPERIMENTS.values():
        assert one.what
        assert one.expected_s > 0
