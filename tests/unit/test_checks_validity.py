"""When a trial is invalid, and the one line that says why."""

import pytest
from written_histories import Story, at

from bench.checks.outcomes import judge_fires
from bench.checks.validity import invalid_reasons
from bench.events import Counters, FaultBegan, InstanceStopped, Platform
from strategies.notes import Coordinated, Granted, Lost


def trial(lease_s: float = 2.0) -> Story:
    """Two ready instances, a healthy service, a quick probe, and fires from 10 to 29."""
    story = Story(lease_s=lease_s, instances=2).job().ready("i1", "i2", t=1.0)
    story.phases(healthy=0.0, idle=2.0, load=9.0, quiet=30.0, done=35.0).probe(0.001)
    return story.due(*map(float, range(10, 30)))


def held(kind: str = "kill") -> dict[str, str]:
    return {"kind": kind, "target": "holder", "run": "i1:1", "job": "report"}


def reasons(story: Story, faults: int | None = None, *, coordinates: bool = False) -> list[str]:
    read = story.columns()
    return invalid_reasons(read, judge_fires(read).fires, faults, coordinates=coordinates)


def counted(instance: str, t: float = 12.0, **counts: float) -> Counters:
    """A line of counters; keywords are action_outcome."""
    named = {key.replace("_", ".", 1): value for key, value in counts.items()}
    usage = {"cpu_s_total": 1.0, "rss_mb": 30.0}
    return Counters(t=at(t), instance=instance, counts=named | usage)


def test_a_trial_that_went_as_planned_is_valid():
    assert reasons(trial(), faults=0) == []


@pytest.mark.parametrize("kind", ["kill", "pause"])
def test_a_fault_that_struck_an_open_run_of_the_holder_hit(kind):
    story = trial().run(10.0, 10.0, 15.0 if kind == "pause" else None)
    story.fault(10.2, heal=14.0 if kind == "pause" else None, **held(kind))
    if kind == "kill":
        story.died(10.21)
    assert reasons(story, faults=1) == []


def test_a_fault_that_struck_after_the_holder_s_run_missed():
    story = trial().run(10.0, 10.0, 10.1).fault(10.2, **held())
    assert reasons(story) == ["fault 0 (kill) missed: the run it was aimed at had already ended"]


def test_a_fault_that_struck_before_the_holder_s_run_missed():
    story = trial().run(10.0, 10.3).fault(10.2, **held())
    assert reasons(story) == ["fault 0 (kill) missed: the run it was aimed at had not begun"]


def test_a_fault_that_struck_another_instance_than_the_holder_missed():
    story = trial().run(10.0, 10.0).fault(10.2, instance="i2", **held())
    assert reasons(story) == [
        "fault 0 (kill) missed: the run it was aimed at was another instance's"
    ]


def test_a_fault_on_a_holder_that_no_run_shows_missed():
    story = trial().fault(10.2, target="holder")
    assert reasons(story) == ["fault 0 (kill) missed: no run shows that its target was the holder"]


def test_a_fault_on_the_leader_must_strike_while_it_leads():
    story = trial().add(Granted(t=at(5), instance="i1", subject="leader"))
    assert reasons(story.fault(10.2, target="leader").died(10.21)) == []
    story.add(Lost(t=at(10), instance="i1", subject="leader", reason="session"))
    assert reasons(story) == ["fault 0 (kill) missed: its target was not the leader"]


def published(instance: str, t: float, outcome: str = "ok") -> Coordinated:
    return Coordinated(
        t=at(t), instance=instance, action="publish", seconds=0.001, outcome=outcome,
        job="report", due_ms=round(at(t) * 1000),
    )  # fmt: skip


def test_a_fault_on_the_scheduler_must_strike_whoever_published_last():
    story = trial().add(published("i2", 9.0), published("i1", 10.0), published("i2", 11.0))
    assert reasons(story.fault(10.2, target="scheduler").died(10.21)) == []


def test_a_fault_on_a_scheduler_that_another_one_has_relieved_missed():
    story = trial().add(published("i1", 9.0), published("i2", 10.0), published("i1", 10.1, "lost"))
    assert reasons(story.fault(10.2, target="scheduler").died(10.21)) == [
        "fault 0 (kill) missed: its target was not the last to publish a fire"
    ]


def test_a_fault_on_any_one_hits_who_takes_part():
    assert reasons(trial().fault(10.2, target="one").died(10.21)) == []


@pytest.mark.parametrize("target", ["one", "minority", "majority", "all"])
def test_a_fault_on_who_had_ended_before_missed(target):
    story = trial().add(InstanceStopped(t=at(10.0), instance="i1"))
    story.fault(10.2, kind="partition", heal=12.0, target=target)
    assert "fault 0 (partition) missed: its victim had ended before" in reasons(story)


def test_a_fault_on_who_was_not_ready_yet_missed():
    story = trial().ready("i3", t=11.0)
    story.fault(10.2, kind="partition", instance="i3", heal=12.0, target="one")
    assert "fault 0 (partition) missed: its victim was not ready yet" in reasons(story)


def test_a_server_takes_part_without_being_an_instance():
    story = trial().add(counted("redis", load_won=1.0))
    story.fault(10.2, kind="service-kill", instance="redis", heal=12.0, target="service")
    assert reasons(story, faults=1) == []


def test_fewer_faults_than_the_target_has_members_miss():
    story = trial().fault(10.2, target="majority").died(10.21)
    assert reasons(story, faults=2) == ["1 of 2 planned faults struck"]


def test_a_kill_whose_victim_was_not_seen_dead_missed():
    story = trial().run(10.0, 10.0).fault(10.2, **held())
    assert reasons(story) == [
        "fault 0 (kill) missed: its victim was not seen dead by SIGKILL",
        *reasons(story)[1:],
    ]


def test_a_kill_whose_victim_was_seen_dead_before_the_fault_was_written_down_hit():
    """The harness may reap the process before it records what it has just done."""
    kill = FaultBegan(t=at(10.2), fault="kill", id=0, instance="i1", target="one", asked_s=at(10.1))
    assert reasons(trial().add(kill).died(10.15)) == []


def test_a_kill_whose_victim_goes_on_missed():
    story = trial().run(10.0, 10.0).fault(10.2, **held()).died(10.21)
    story.run(12.0, 12.0, 12.4)
    assert reasons(story)[0] == "fault 0 (kill) missed: its victim went on and wrote 2 events"


def test_a_pause_whose_victim_writes_meanwhile_missed():
    story = trial().run(10.0, 10.0).fault(10.2, heal=14.0, **held("pause")).run(12.0, 12.0, 12.4)
    assert reasons(story)[0] == "fault 0 (pause) missed: its victim went on and wrote 2 events"


def test_what_a_paused_instance_writes_after_it_was_woken_is_no_sign_of_life_before():
    story = trial().run(10.0, 10.0, 14.1).fault(10.2, heal=14.0, **held("pause"))
    assert reasons(story) == []


def test_a_planned_fault_that_never_struck_makes_the_trial_invalid():
    assert reasons(trial(), faults=1) == ["0 of 1 planned faults struck"]


def test_a_fleet_that_was_ready_too_late_makes_the_trial_invalid():
    story = Story(instances=2).job().ready("i1", t=1.0).ready("i2", t=12.0)
    story.phases(healthy=0.0, load=9.0).probe(0.001).due(*map(float, range(10, 30)))
    [reason] = reasons(story)
    assert reason.startswith("only 90% of the load met the whole fleet of 2 ready")


def test_one_fire_in_twenty_may_miss_the_fleet():
    story = Story(instances=2).job().ready("i1", t=1.0).ready("i2", t=10.5)
    story.phases(healthy=0.0, load=9.0).probe(0.001).due(*map(float, range(10, 30)))
    assert reasons(story) == []


def test_an_instance_that_a_fault_took_does_not_count_as_absent():
    assert reasons(trial().fault(12.0, target="one").died(12.1), faults=1) == []


def test_an_instance_that_died_without_a_fault_makes_the_trial_invalid():
    said = reasons(trial().died(20.0, "i2"))
    assert "i2 died without a fault" in said
    assert any(reason.startswith("only") for reason in said)


def test_an_instance_that_stopped_with_an_error_makes_the_trial_invalid():
    story = trial().add(InstanceStopped(t=at(36), instance="i1", error="KeyError: 'x'"))
    assert reasons(story) == ["i1 stopped with an error: KeyError: 'x'"]


def test_an_orderly_end_after_the_trial_is_no_reason():
    story = trial().add(InstanceStopped(t=at(36), instance="i1")).died(36.1).died(36.2, "i2")
    assert reasons(story) == []


def test_a_lagging_harness_makes_the_trial_invalid():
    assert reasons(trial().probe(*[0.2] * 10)) == [
        "the harness lagged 200 ms (p99), the limit is 100"
    ]


def test_the_limit_of_the_lag_grows_with_the_lease():
    assert reasons(trial(lease_s=10.0).probe(*[0.2] * 10)) == []


def test_a_machine_that_stands_still_once_under_load_makes_the_trial_invalid():
    """A hundred timers are late by nothing and one by a second: p99 does not see it."""
    story = trial().probe(*[0.0] * 10_000).probe(1.1, t=12.0)
    assert reasons(story) == ["the machine stood still for 1.10 s, a quarter of the lease or more"]


def test_a_machine_that_stands_still_before_the_load_does_no_harm():
    assert reasons(trial().probe(*[0.0] * 200).probe(1.1, t=0.5)) == []


def test_a_short_stop_counts_for_all_the_timers_that_could_not_be_asked_meanwhile():
    """In 0.3 s some fifteen more would have been late; the p99 of 400 alone sees none of them."""
    story = trial().probe(*[0.0] * 400).probe(0.3, t=12.0)
    assert reasons(story) == ["the harness lagged 217 ms (p99), the limit is 100"]


def test_a_calm_time_outside_the_load_does_not_thin_out_its_lags():
    story = trial().probe(*[0.0] * 300).probe(*[0.15] * 5, t=12.0)
    assert len(reasons(story)) == 1
    assert reasons(story) == reasons(story.probe(*[0.0] * 5000, t=3.0))


def test_a_probe_that_was_silent_under_load_makes_the_trial_invalid():
    story = Story(instances=1).job().ready("i1").phases(healthy=0.0, load=1.0).due(10.0)
    assert reasons(story.probe(0.0, t=0.5)) == [
        "the probe recorded nothing under load, so the harness's lag is not known"
    ]


def machine(*busy_s: float) -> list[Counters]:
    """What two cores spent up to the moments before, at the begin of and after the load."""
    times = zip((2.0, 8.9, 30.0), (4.0, 17.8, 60.0), busy_s, strict=True)
    return [
        Counters(
            t=at(t),
            instance="machine",
            counts={"core_s_total": 100 + spent, "busy_s_total": busy},
        )
        for t, spent, busy in times
    ]


def test_a_saturated_machine_makes_the_trial_invalid():
    assert reasons(trial().add(*machine(1.0, 2.0, 43.3))) == [
        "the machine was saturated: 98% of its cores' time was taken under load"
    ]


def test_a_machine_that_is_busy_before_the_load_only_does_no_harm():
    assert reasons(trial().add(*machine(0.0, 13.7, 40.0))) == []


def test_an_instance_that_never_coordinates_in_health_makes_the_trial_invalid():
    story = trial().run(10.0, 10.0, 10.4).add(counted("i2"))
    assert reasons(story, coordinates=True) == [
        "i2 took no part: it coordinated nothing, ran nothing"
    ]


def test_a_design_that_coordinates_nothing_may_have_idle_instances():
    assert reasons(trial().add(counted("i2")), coordinates=False) == []


@pytest.mark.parametrize("counts", [{"renew_ok": 3}, {"acquire_lost": 1}, {"wait-poll_lost": 9}])
def test_a_follower_takes_part_by_what_it_counts(counts):
    story = trial().run(10.0, 10.0, 10.4).add(counted("i2", **counts))
    assert reasons(story, coordinates=True) == []


def test_an_instance_takes_part_by_a_call_or_by_what_it_was_granted():
    call = Coordinated(
        t=at(12), instance="i1", action="acquire", seconds=0.001, outcome="won", fires=1
    )
    story = trial().add(call, Granted(t=at(12), instance="i2", subject="leader"))
    assert reasons(story, coordinates=True) == []


def test_an_instance_whose_calls_all_failed_took_no_part():
    story = trial().run(10.0, 10.0, 10.4).add(counted("i2", acquire_error=80, renew_error=4))
    assert reasons(story, coordinates=True) == [
        "i2 took no part: it coordinated nothing, ran nothing"
    ]


def test_what_an_instance_did_before_the_load_does_not_count():
    story = trial().run(10.0, 10.0, 10.4).add(counted("i2", t=3.0, campaign_lost=1))
    assert len(reasons(story, coordinates=True)) == 1


def test_an_instance_may_be_silent_for_a_load_that_is_short_beside_the_lease():
    """It confirms its place three times a lease: within less than half of one it may not."""
    assert reasons(trial(lease_s=60.0), coordinates=True) == []


def test_under_faults_an_instance_may_be_silent():
    story = trial().fault(10.2, target="one").died(10.21)
    assert reasons(story, faults=1, coordinates=True) == []


def test_a_silent_probe_makes_the_trial_invalid():
    story = Story(instances=1).job().ready("i1").phases(healthy=0.0, load=1.0).due(10.0)
    assert reasons(story) == ["the probe recorded nothing, so the harness's lag is not known"]


def test_a_service_that_was_not_seen_healthy_before_makes_the_trial_invalid():
    story = Story(instances=1).job().ready("i1").phases(load=1.0, healthy=2.0).due(10.0)
    assert reasons(story.probe(0.001)) == ["the services were not seen healthy before the load"]


def test_a_trial_without_load_is_invalid():
    story = Story(instances=1).job().ready("i1").phases(healthy=1.0).due(10.0).probe(0.001)
    assert reasons(story) == ["the load phase never began"]


def test_a_trial_in_which_nothing_was_due_is_invalid():
    assert reasons(Story().job()) == ["no fire was due"]


def test_somebody_else_s_history_needs_neither_probe_nor_phases():
    assert reasons(Story().job().due(10.0)) == []


@pytest.mark.parametrize("kind", ["kill", "pause"])
def test_what_a_platform_says_of_a_lost_node_is_no_sign_of_life(kind):
    story = trial().run(10.0, 10.0, 15.0 if kind == "pause" else None)
    story.fault(10.2, heal=14.0 if kind == "pause" else None, **held(kind))
    if kind == "kill":
        story.died(10.21)
    lost = Platform(what="node-not-ready", subject="i1", instance="i1")
    lost.t = at(12.0)
    assert reasons(story.add(lost), faults=1) == []
