"""Ports of the loopback interface: which are free, and whether it is ours that has one."""

import contextlib
import socket
from pathlib import Path

import psutil


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of the loopback interface that nobody listens on now; all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in sockets)


def holds(pid: int, port: int) -> bool:
    """Whether the process, one of our own user, listens on the TCP port.

    In a network namespace of its own a process has every port that it asks for.
    """
    try:
        if not Path(f"/proc/{pid}/ns/net").samefile("/proc/self/ns/net"):
            return True
        sockets = psutil.Process(pid).net_connections("tcp")
    except (FileNotFoundError, psutil.NoSuchProcess):
        return False  # it has ended
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)
