"""The nursery: imports a strategy once, then forks one process per instance.

    python -m bench.nursery SOURCE STRATEGY

Fifty interpreters that each import a client library for half a second would need ten seconds of
two cores; fifty forks need one. Each fork is a session of its own, so that kill and pause act on a
whole process tree, and dies with the nursery, as the nursery does with the bench.

stdin:  {"config": PATH, "log": PATH, "network": PID} a line, one instance each; network is a
        process whose network namespace the instance is to be in, 0 for the host's own
stdout: {"ready": true}, then {"config": PATH, "pid": PID} and {"ended": PID, "status": N}
"""

import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Callable

import msgspec

from chaos.links import namespaces
from strategies.catalogue import from_source

PR_SET_PDEATHSIG = 1
PROGRAMS = {"member": "bench.instance", "node": "bench.node_agent.__main__"}
"""What an instance runs, by what a replica of the design is; each has `main(config) -> status`."""

Main = Callable[[str], int]


class Birth(msgspec.Struct):
    """One instance to start: its configuration file, and where its output goes."""

    config: str
    log: str
    network: int = 0


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def tied_to_us() -> Callable[[], None]:
    """What a process that we start runs first, so that it dies with us."""
    parent = os.getpid()
    return lambda: die_with_parent(parent)


def serve(main: Main) -> None:
    """Fork instances that run `main` on request until stdin ends, and report those that ended."""
    waker, wake = socket.socketpair()
    for end in (waker, wake):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    _say({"ready": True})
    pending = b""
    while True:
        readable, _, _ = select.select([0, waker.fileno()], [], [])
        if waker.fileno() in readable:
            with contextlib.suppress(BlockingIOError):
                waker.recv(4096)
            _report_ended()
        if 0 in readable:
            chunk = os.read(0, 65536)
            if not chunk:
                return
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                _bear(msgspec.json.decode(line, type=Birth), main)


def _bear(birth: Birth, main: Main) -> None:
    nursery = os.getpid()
    pid = os.fork()
    if pid:
        _say({"config": birth.config, "pid": pid})
        return
    status = 1
    try:
        os.setsid()
        die_with_parent(nursery)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _redirect(birth.log)
        if birth.network:
            namespaces.enter(birth.network)
            die_with_parent(nursery)  # a change of rights clears it
        status = main(birth.config)
    finally:
        with contextlib.suppress(OSError):  # its log may be on a full disk
            sys.stderr.flush()
        os._exit(status)


def _redirect(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)


def _report_ended() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _say(message: dict[str, object]) -> None:
    os.write(1, msgspec.json.encode(message) + b"\n")


def main() -> None:
    """Import what the strategy needs, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent(os.getppid())
    design = from_source(*sys.argv[1:])
    for module in design.adapters:
        importlib.import_module(module)
    program = importlib.import_module(PROGRAMS[design.replica])
    gc.freeze()  # shared pages stay shared: no collection writes to them
    serve(program.main)


if __name__ == "__main__":
    main()
