"""Workers of a test run share the machine; one that needs it alone gets it."""

import fcntl
import threading
from collections.abc import Callable
from pathlib import Path

from machine import Machine


def begun(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def is_locked(file: Path) -> bool:
    with file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_all_share_it_at_once(tmp_path: Path) -> None:
    with Machine(tmp_path).shared(), Machine(tmp_path).shared():
        pass


def test_who_wants_it_alone_waits_for_those_who_share_it_and_newcomers_wait_for_that(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    sharing = threading.Event()

    def want_it_alone() -> None:
        machine = Machine(tmp_path)
        with machine.shared():
            sharing.set()
            with machine.alone():
                said.append("alone")
            said.append("shared again")

    def come_later() -> None:
        with Machine(tmp_path).shared():
            said.append("newcomer")

    with Machine(tmp_path).shared():
        first = begun(want_it_alone)
        assert sharing.wait(5)
        while not is_locked(tmp_path / "turn.lock"):
            assert first.is_alive()
        second = begun(come_later)
        assert said == []
    for thread in (first, second):
        thread.join(5)
    assert said[0] == "alone"
    assert sorted(said[1:]) == ["newcomer", "shared again"]


def test_two_who_want_it_alone_get_it_one_after_the_other(tmp_path: Path) -> None:
    inside: list[int] = []
    met = threading.Barrier(2, timeout=5)

    def want_it_alone() -> None:
        machine = Machine(tmp_path)
        with machine.shared():
            met.wait()
            with machine.alone():
                inside.append(+1)
                inside.append(-1)

    for thread in [begun(want_it_alone), begun(want_it_alone)]:
        thread.join(5)
        assert not thread.is_alive()
    assert inside == [1, -1, 1, -1]
