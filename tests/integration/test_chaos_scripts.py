"""The chaos scripts, each run as people run it, against a toy process or a toy server of ours."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.servers, pytest.mark.slow]  # together they wait for some twenty seconds

SCRIPTS = Path(__file__).parents[2] / "chaos" / "scripts"
ALL = sorted(path.name for path in SCRIPTS.glob("*.sh") if path.name != "common.sh")
TREE = [
    sys.executable, "-S", "-c",
    "import os, signal, sys\nos.fork()\nprint(os.getpid(), flush=True)\nsignal.pause()",
]  # fmt: skip

# A server that answers each line, and a client that asks through it; both inside one namespace.
INSIDE = """
import socket, socketserver, subprocess, sys, threading, time

class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            heard.append(line)
            self.wfile.write(line)

heard = []
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
client = socket.create_connection(server.server_address)
client.settimeout(0.5)

def answered(word):
    client.sendall(word + b"\\n")
    try:
        return word in client.recv(1000)
    except TimeoutError:
        return False

def begin(script, *arguments):
    one = subprocess.Popen([script, str(port), *arguments], stdout=subprocess.PIPE, text=True)
    said = one.stdout.readline()
    if not said:
        sys.exit(one.wait())
    return one

"""


@pytest.fixture
def process() -> Iterator[psutil.Process]:
    """A process with one child, of ours."""
    with ExitStack() as stack:
        one = stack.enter_context(
            subprocess.Popen(TREE, start_new_session=True, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(end, one.pid)
        assert one.stdout is not None
        for _ in range(2):
            one.stdout.readline()
        yield psutil.Process(one.pid)


def end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def run(script: str, *arguments: str | int) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a script; it is under way, and what it breaks is broken."""
    with ExitStack() as stack:

        def begin(script: str, *arguments: str | int) -> subprocess.Popen[str]:
            command = [str(SCRIPTS / script), *map(str, arguments)]
            one = stack.enter_context(
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, text=True, preexec_fn=heed_hangups
                )
            )
            stack.callback(one.kill)
            assert one.stdout is not None
            assert one.stdout.readline()
            return one

        yield begin


def heed_hangups() -> None:
    """A shell cannot trap what it inherits as ignored, as it does under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def states(process: psutil.Process) -> set[str]:
    return {one.status() for one in (process, *process.children())}


@pytest.mark.parametrize("script", ALL)
def test_every_script_says_what_it_does_and_how_to_heal(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0
    assert script in done.stdout
    assert len(done.stdout.splitlines()) >= 4


@pytest.mark.parametrize("script", ALL)
def test_every_script_without_arguments_shows_its_usage_and_breaks_nothing(script: str) -> None:
    done = run(script)
    assert done.returncode == 64
    assert script in done.stdout


def test_every_script_is_clean_by_shellcheck() -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck here (package shellcheck)")
    paths = [str(path) for path in SCRIPTS.glob("*.sh")]
    done = subprocess.run(
        ["shellcheck", "-x", *paths], capture_output=True, text=True, cwd=SCRIPTS, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_paused_process_and_its_child_stand_still_and_go_on(
    process: psutil.Process, start: Start
) -> None:
    pausing = start("pause.sh", process.pid, "--for", "600ms")
    until(lambda: states(process) == {"stopped"})
    assert pausing.wait(10) == 0
    until(lambda: states(process) == {"sleeping"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_pause_heals_however_its_script_ends(
    process: psutil.Process, start: Start, number: signal.Signals
) -> None:
    pausing = start("pause.sh", process.pid)
    until(lambda: states(process) == {"stopped"})
    pausing.send_signal(number)
    pausing.wait(10)
    until(lambda: states(process) == {"sleeping"})


def test_a_killed_tree_is_gone_as_a_whole(process: psutil.Process) -> None:
    (child,) = process.children()
    assert run("kill-tree.sh", process.pid).returncode == 0
    until(lambda: process.status() == "zombie")
    until(lambda: not child.is_running() or child.status() == "zombie")


@pytest.mark.parametrize("script", ["pause.sh", "kill-tree.sh"])
@pytest.mark.parametrize(
    ("pid", "why"),
    [("1", "the system's"), ("x", "no process id"), ("99999999", "no process"), ("own", "started")],
)
def test_what_is_not_one_s_own_to_break_is_left_alone(script: str, pid: str, why: str) -> None:
    done = run(script, os.getpid() if pid == "own" else pid)
    assert done.returncode == 64
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_length_that_is_none_is_refused(process: psutil.Process) -> None:
    done = run("pause.sh", process.pid, "--for", "-3s")
    assert done.returncode == 64
    assert "no length of time" in done.stderr
    assert states(process) == {"sleeping"}


def in_namespace(test: str) -> None:
    """Run lines of Python after INSIDE in a network of their own; skip where that cannot be had."""
    command = [str(SCRIPTS / "in-namespace.sh"), sys.executable, "-c", INSIDE + test, str(SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 69:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("direction", "hears"), [("both", False), ("out", False), ("in", True)])
def test_a_cut_port_is_cut_in_that_direction_and_only_until_it_heals(
    direction: str, hears: bool
) -> None:
    in_namespace(f"""
assert answered(b"before")
cut = begin(sys.argv[1] + "/partition.sh", "--direction", "{direction}", "--for", "2s")
assert not answered(b"during")
assert any(b"during" in line for line in heard) is {hears}
assert cut.wait() == 0
client.settimeout(10)
assert b"during" in client.recv(1000)
assert answered(b"after")
""")


def test_a_cut_port_is_whole_again_though_the_script_was_killed() -> None:
    in_namespace("""
cut = begin(sys.argv[1] + "/partition.sh")
assert not answered(b"during")
cut.kill()
cut.wait()
client.settimeout(10)
assert b"during" in client.recv(1000)
""")


def test_a_port_that_is_cut_already_is_refused() -> None:
    in_namespace("""
cut = begin(sys.argv[1] + "/partition.sh")
again = subprocess.run([sys.argv[1] + "/partition.sh", str(port)], capture_output=True, text=True)
assert again.returncode == 64 and "cut already" in again.stderr, again
assert not answered(b"still")
cut.terminate()
cut.wait()
""")


def test_lost_packets_are_sent_again_and_come_late() -> None:
    in_namespace("""
lossy = begin(sys.argv[1] + "/drop.sh", "--percent", "99", "--for", "1s")
assert not answered(b"lost")
assert lossy.wait() == 0
client.settimeout(10)
assert b"lost" in client.recv(1000)
""")


def test_delayed_packets_come_later_each_way() -> None:
    in_namespace("""
began = time.monotonic()
assert answered(b"at once") and time.monotonic() - began < 0.2
slow = begin(sys.argv[1] + "/delay.sh", "--by", "200ms")
client.settimeout(10)
began = time.monotonic()
assert answered(b"later") and time.monotonic() - began >= 0.4
slow.terminate()
slow.wait()
began = time.monotonic()
assert answered(b"at once again") and time.monotonic() - began < 0.2
""")


@pytest.mark.parametrize(
    ("port", "why"),
    [("1", "nobody listens"), ("redis.example.org:6379", "no port"), ("70000", "no port")],
)
@pytest.mark.parametrize("script", ["partition.sh", "drop.sh", "delay.sh"])
def test_a_port_that_is_not_ours_is_left_alone(script: str, port: str, why: str) -> None:
    done = run(script, port)
    assert done.returncode == 64, done.stderr
    assert why in done.stderr


def test_a_port_open_to_other_machines_is_left_alone() -> None:
    in_namespace("""
wide = socket.create_server(("0.0.0.0", 0))
port = wide.getsockname()[1]
done = subprocess.run([sys.argv[1] + "/partition.sh", str(port)], capture_output=True, text=True)
assert done.returncode == 64 and "other machines" in done.stderr, done
""")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[str], psutil.Process]]:
    """Starts a toy that goes by a server's name, writes its pid and ends in order on a signal."""
    with ExitStack() as stack:

        def begin(name: str) -> psutil.Process:
            toy = tmp_path / name
            toy.write_text(
                "#!/bin/sh\necho $$ >> pids\ntrap 'echo orderly >> ends; exit 0' TERM INT\n"
                "while :; do sleep 0.05; done\n"
            )
            toy.chmod(0o755)
            one = stack.enter_context(
                subprocess.Popen([toy, "--port", "1"], cwd=tmp_path, start_new_session=True)
            )
            stack.callback(lambda: [end(pid) for pid in pids(tmp_path)])
            until(lambda: len(pids(tmp_path)) == 1)
            return psutil.Process(one.pid)

        yield begin


def pids(where: Path) -> list[int]:
    path = where / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.mark.parametrize(
    ("name", "what", "extra"),
    [
        ("postgres", "postgres", []),
        ("zookeeper", "zookeeper", []),
        ("redis-server", "redis", ["--", "./redis-server", "--port", "2"]),
    ],
)
def test_a_server_is_stopped_in_order_and_started_again(
    server: Callable[[str], psutil.Process], tmp_path: Path, name: str, what: str, extra: list[str]
) -> None:
    old = server(name)
    done = run("restart.sh", what, old.pid, "--down", "300ms", *extra)
    assert done.returncode == 0, done.stderr
    until(lambda: len(pids(tmp_path)) == 2)
    new = psutil.Process(pids(tmp_path)[1])
    assert (tmp_path / "ends").read_text() == "orderly\n"
    assert new.cmdline()[-2:] == ["--port", "2" if extra else "1"]
    assert new.cwd() == str(tmp_path)


def test_a_killed_server_is_not_asked(
    server: Callable[[str], psutil.Process], tmp_path: Path
) -> None:
    old = server("postgres")
    assert run("restart.sh", "postgres", old.pid, "--kill").returncode == 0
    until(lambda: len(pids(tmp_path)) == 2)
    assert not (tmp_path / "ends").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_server_that_is_down_comes_back_though_the_script_does_not(
    server: Callable[[str], psutil.Process], start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    old = server("postgres")
    restarting = start("restart.sh", "postgres", old.pid, "--down", "60s")
    restarting.send_signal(number)
    restarting.wait(10)
    until(lambda: len(pids(tmp_path)) == 2)


def test_a_process_that_is_no_such_server_is_left_alone(process: psutil.Process) -> None:
    done = run("restart.sh", "postgres", process.pid)
    assert done.returncode == 64
    assert "no postgres" in done.stderr


def test_a_clock_of_one_s_own_is_stepped_and_healed(tmp_path: Path) -> None:
    told = tmp_path / "clock"
    looking = [sys.executable, "-S", "-c", LOOK]
    with subprocess.Popen(
        [str(SCRIPTS / "clock.sh"), "run", str(told), *looking],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as one:  # fmt: skip
        assert one.stdout is not None
        assert one.stderr is not None
        if not one.stdout.readline():
            pytest.skip(one.stderr.read().strip())
        assert run("clock.sh", "step", str(told), "+1h").returncode == 64
        assert run("clock.sh", "step", str(told), "+60s").returncode == 0
        ahead = next(float(line) for line in one.stdout if float(line) > 30)
        assert 59 < ahead < 61
        assert run("clock.sh", "heal", str(told)).returncode == 0
        assert next(float(line) for line in one.stdout if float(line) < 30) < 1
        one.kill()


LOOK = """
import select, time
began = time.time() - time.monotonic()
while True:
    print(time.time() - time.monotonic() - began, flush=True)
    select.select([], [], [], 0.1)  # not time.sleep: see clock.sh
"""


def test_the_scripts_name_no_place_of_any_machine() -> None:
    for path in SCRIPTS.glob("*.sh"):
        assert not re.search(r"/(home|root|work)/", path.read_text())
