"""The ledger stores every effect and labels what idempotency or fencing would have stopped."""

from bench.ledger import Label, Ledger, Write


def write(due_ms: int, fence: int | None = None, *, job: str = "j", scope: str = "j") -> Write:
    return Write(run=f"i1:{due_ms}", job=job, due_ms=due_ms, scope=scope, fence=fence)


def test_the_first_effect_of_a_fire_is_neither_repeated_nor_stale() -> None:
    assert Ledger().store(write(1, 7)) == Label(repeated=False, stale=False)


def test_a_second_effect_of_a_fire_is_repeated() -> None:
    ledger = Ledger()
    ledger.store(write(1))
    assert ledger.store(write(1)) == Label(repeated=True, stale=False)


def test_the_same_due_time_of_another_job_is_another_fire() -> None:
    ledger = Ledger()
    ledger.store(write(1))
    assert not ledger.store(write(1, job="k", scope="k")).repeated


def test_an_effect_with_a_lower_fence_than_one_seen_is_stale() -> None:
    ledger = Ledger()
    ledger.store(write(2, 8))
    assert ledger.store(write(1, 7)) == Label(repeated=False, stale=True)


def test_an_effect_with_the_same_fence_is_not_stale() -> None:
    """One term of a leader makes many effects under one fence."""
    ledger = Ledger()
    ledger.store(write(1, 7))
    assert not ledger.store(write(2, 7)).stale


def test_a_stale_effect_does_not_lower_the_fence() -> None:
    ledger = Ledger()
    for fence in (8, 3):
        ledger.store(write(fence, fence))
    assert ledger.store(write(5, 5)).stale


def test_fences_of_other_scopes_do_not_matter() -> None:
    ledger = Ledger()
    ledger.store(write(2, 8, scope="j@2"))
    assert not ledger.store(write(1, 1, scope="j@1")).stale


def test_an_effect_without_a_fence_is_never_stale() -> None:
    ledger = Ledger()
    ledger.store(write(2, 8))
    assert not ledger.store(write(3, None)).stale
