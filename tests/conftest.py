"""Real servers for the tests that ask for them: one of each a session, and none left behind."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest
from machine import Machine
from xdist.scheduler import LoadScopeScheduling

from bench.leftovers import running_directory
from bench.services import ServiceUnavailable, provide

# The tests start some hundred Python processes: each would compile every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


class Shares(LoadScopeScheduling):  # type: ignore[misc]
    """What a worker (`-n`) takes at once: a file; all that share the session's control plane."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "control plane" if "integration/test_kubernetes_" in file else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shares:
    return Shares(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No worker is left with a slow file at the end; no trial is judged beside CronJob's begin.

    CronJob's trials come first, because they take the longest, and keep the machine busy until
    their nodes are up: meanwhile the other workers do what measures nothing.
    """
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    slow = item.get_closest_marker("slow") is not None
    if item.get_closest_marker("servers") is None:
        return 4 if slow else 5
    if "test_cronjob_trials" in item.nodeid:
        return 0
    if slow:
        return 3
    return 2 if "integration/test_kubernetes_" in item.nodeid else 1


MACHINE = pytest.StashKey[Machine]()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # one of several workers, whose folders are siblings
        folder = Path(config.option.basetemp).parent
        config.stash[MACHINE] = Machine(folder)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Outside of what pytest-timeout counts, so that waiting is nobody's slowness."""
    if MACHINE not in item.config.stash or item.get_closest_marker("servers") is None:
        return (yield)
    with item.config.stash[MACHINE].shared():
        return (yield)


@pytest.fixture(scope="session")
def alone(pytestconfig: pytest.Config) -> Callable[[], AbstractContextManager[None]]:
    """`with alone():` no other test with servers runs, for a trial that the machine was too busy
    for beside them."""
    machine = pytestconfig.stash.get(MACHINE, None)
    return machine.alone if machine else nullcontext


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """When all tests have ended, no process of theirs is alive and no registration is open."""
    yield
    deadline = time.monotonic() + 5
    while (left := _children()) and time.monotonic() < deadline:
        psutil.wait_procs(left, timeout=0.2)
    assert not left, f"tests left processes behind: {[_describe(one) for one in left]}"
    open_ones = list(running_directory().glob(f"{os.getpid()}-*"))
    assert not open_ones, f"tests left registrations behind: {open_ones}"


def _children() -> list[psutil.Process]:
    # multiprocessing's own tracker lives until the interpreter ends
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "resource_tracker" not in _describe(child)
    ]


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline())}"
    except psutil.NoSuchProcess:
        return f"{process.pid}: gone"


@pytest.fixture(scope="session")
def service_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's servers write their logs."""
    return tmp_path_factory.mktemp("services")


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(scope="session")
def in_background() -> Iterator[Run]:
    """Runs a coroutine to its end in an event loop of its own, which lasts as long as the session.

    A test's own loop is running when it asks for a fixture by name; and a server dies with the
    thread that started it, so that this must not be a short-lived one.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers", daemon=True)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="session")
def redis_url(service_logs: Path, in_background: Run) -> Iterator[str]:
    yield from _running("redis", service_logs, in_background)


@pytest.fixture(scope="session")
def postgres_url(service_logs: Path, in_background: Run) -> Iterator[str]:
    yield from _running("postgres", service_logs, in_background)


@pytest.fixture(scope="session")
def zookeeper_url(service_logs: Path, in_background: Run) -> Iterator[str]:
    yield from _running("zookeeper", service_logs, in_background)


@pytest.fixture(scope="session")
def etcd_url(service_logs: Path, in_background: Run) -> Iterator[str]:
    yield from _running("etcd", service_logs, in_background)


NEED_MORE = ("zookeeper",)  # what its start fetches may be out of reach; the others come as wheels


def _running(name: str, directory: Path, in_background: Run) -> Iterator[str]:
    """The URL of a server that runs as long as the session; skips with the reason without one."""
    try:
        service = provide(name, directory)
    except ServiceUnavailable as error:
        pytest.skip(str(error))
    try:
        in_background(service.start())
    except ServiceUnavailable as error:
        if name not in NEED_MORE:
            raise
        pytest.skip(str(error))
    yield service.url
    in_background(service.stop())
