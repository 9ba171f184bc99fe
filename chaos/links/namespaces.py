"""Links through network namespaces: the kernel drops the packets, and TCP does what TCP does.

Each instance gets a network namespace of its own, joined by a veth pair to one *hub* namespace that
belongs to the relay. The relay listens on the hub's end of each pair and carries every connection
on to its server; nftables rules in the hub drop what a fault cuts, per link and per direction.
Nothing of this is seen outside: no interface, address or rule of the machine's own is touched, and
all of it is gone when the relay's processes are.

Needs Linux, `ip` (iproute2), `nft` (nftables), and either root or unprivileged user namespaces.
What a hub cannot do, for want of `netem`, is to delay; that stays with the relay behind it.
"""

import ctypes
import functools
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.links.traffic import Way

TABLE = "inet coordbench"
NETWORK = "10.77"  # of the hub and its leaves only: no other namespace sees these addresses
MOST_LEAVES = 64 * 256
PROBE_S = 10.0
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_libc = ctypes.CDLL(None, use_errno=True)
_RULES = f"""
add table {TABLE}
add chain {TABLE} arriving {{ type filter hook input priority 0; }}
add chain {TABLE} leaving {{ type filter hook output priority 0; }}
add chain {TABLE} between {{ type filter hook forward priority 0; }}
"""


@functools.cache
def missing() -> str | None:
    """Why links cannot go through namespaces here; None where they can. Tries it once."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux only"
    if lacking := next((name for name in ("ip", "nft") if not _program(name)), None):
        package = {"ip": "iproute2", "nft": "nftables"}[lacking]
        return f"no {lacking}: install {package} (Debian: apt install {package})"
    try:
        tried = subprocess.run(
            [sys.executable, "-m", "chaos.links.namespaces"],
            capture_output=True, text=True, check=False, timeout=PROBE_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"a namespace could not be made within {PROBE_S:g} s"
    if tried.returncode == 0:
        return None
    return (tried.stderr.strip().splitlines() or ["namespaces cannot be made"])[-1]


@dataclass(frozen=True)
class Leaf:
    """One instance's or server's namespace: `pid` is a process inside.

    `address` is the hub as seen from it, `own` the leaf as seen from the hub and all other leaves.
    """

    name: str
    pid: int
    interface: str
    address: str
    own: str


class Hub:
    """The namespaces, made and ruled by a process of their own that ends with its parent.

    Made before any thread or event loop exists (it forks). `ask` blocks for some milliseconds.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        if os.fork() == 0:
            ours.close()
            _serve(theirs, parent)
        theirs.close()
        self._link = ours
        self._leaves: dict[str, Leaf] = {}
        self._ask({"do": "begin"})

    def leaf(self, name: str) -> Leaf:
        """The namespace of this name, made when it is first asked for."""
        if name not in self._leaves:
            if len(self._leaves) >= MOST_LEAVES:
                raise OSError(f"more than {MOST_LEAVES} namespaces")
            number = len(self._leaves)
            answer, _ = self._ask({"do": "leaf", "number": number})
            self._leaves[name] = Leaf(
                name, int(answer["pid"]), _interface(number), _address(number, 1),
                _address(number, 2),
            )  # fmt: skip
        return self._leaves[name]

    def listener(self, leaf: Leaf) -> socket.socket:
        """A bound socket that only `leaf` can reach; its link's rules are empty."""
        _, descriptor = self._ask({"do": "listen", "on": leaf.address})
        assert descriptor is not None
        made = socket.socket(fileno=descriptor)
        port, veth = made.getsockname()[1], leaf.interface
        self._nft(
            f"add chain {TABLE} out{port}\nadd chain {TABLE} in{port}\n"
            f'add rule {TABLE} arriving iifname "{veth}" tcp dport {port} jump out{port}\n'
            f'add rule {TABLE} leaving oifname "{veth}" tcp sport {port} jump in{port}\n'
        )
        return made

    def socket(self) -> socket.socket:
        """A new socket in the hub, from which every leaf can be reached."""
        _, descriptor = self._ask({"do": "socket"})
        assert descriptor is not None
        return socket.socket(fileno=descriptor)

    def split(self, one: Sequence[str], other: Sequence[str]) -> None:
        """Nothing passes between these leaves any more; two empty sides join all again."""
        lines = [f"flush chain {TABLE} between"]
        for a, b in itertools.product(one, other):
            here, there = self.leaf(a).interface, self.leaf(b).interface
            for source, target in ((here, there), (there, here)):
                rule = f'iifname "{source}" oifname "{target}" counter drop'
                lines.append(f"add rule {TABLE} between {rule}")
        self._nft("\n".join(lines) + "\n")

    def rule(self, port: int, outbound: Way, inbound: Way) -> None:
        """Let the link on `port` lose what these ways say; what they delay is not done here."""
        lines = [f"flush chain {TABLE} out{port}", f"flush chain {TABLE} in{port}"]
        for chain, way in ((f"out{port}", outbound), (f"in{port}", inbound)):
            if way.cut:
                lines.append(f"add rule {TABLE} {chain} counter drop")
            elif way.loss:
                share = round(way.loss * 1000)
                lines.append(
                    f"add rule {TABLE} {chain} numgen random mod 1000 < {share} counter drop"
                )
        self._nft("\n".join(lines) + "\n")

    def dropped_bytes(self, port: int) -> int:
        """What the link's rules have dropped since they were last set, headers included."""
        found = 0
        for chain in (f"out{port}", f"in{port}"):
            answer, _ = self._ask({"do": "nft", "options": ["-j", "list", "chain"], "chain": chain})
            found += sum(_counted(json.loads(str(answer["said"]))))
        return found

    def _nft(self, script: str) -> None:
        self._ask({"do": "nft", "options": ["-f", "-"], "script": script})

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
        self._link.send(json.dumps(request).encode())
        message, descriptors, _, _ = socket.recv_fds(self._link, 1 << 16, 1)
        if not message:
            raise OSError("the process that holds the namespaces has ended")
        answer = json.loads(message)
        if "error" in answer:
            raise OSError(answer["error"])
        return answer, descriptors[0] if descriptors else None


def enter(pid: int) -> None:
    """Move this process, which has one thread, into the network namespace of `pid`."""
    ours, theirs = (os.stat(f"/proc/{one}/ns/user").st_ino for one in ("self", pid))
    with open(f"/proc/{pid}/ns/net", "rb") as net:
        if ours != theirs:
            with open(f"/proc/{pid}/ns/user", "rb") as user:
                _check(_libc.setns(user.fileno(), _NEW_USER), "enter the user namespace")
        _check(_libc.setns(net.fileno(), _NEW_NET), "enter the network namespace")


def command_inside(pid: int, command: Sequence[str]) -> list[str]:
    """The command that runs `command` in the network namespace of `pid`."""
    ours, theirs = (os.stat(f"/proc/{one}/ns/user").st_ino for one in ("self", pid))
    user = [] if ours == theirs else [f"--user=/proc/{pid}/ns/user", "--preserve-credentials"]
    return [str(_program("nsenter")), *user, f"--net=/proc/{pid}/ns/net", *command]


def _serve(link: socket.socket, parent: int) -> None:
    """Be the process that holds the hub: obey until the other end closes; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    while message := link.recv(1 << 16):
        try:
            answer, descriptors = _obey(json.loads(message))
        except (OSError, subprocess.SubprocessError) as error:
            answer, descriptors = {"error": f"{error}" or type(error).__name__}, []
        socket.send_fds(link, [json.dumps(answer).encode()], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    os._exit(0)


def _obey(request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    match request["do"]:
        case "begin":
            _make_hub()
        case "leaf":
            return {"pid": _make_leaf(request["number"])}, []
        case "listen":
            listener = socket.socket()
            listener.bind((request["on"], 0))
            return {}, [listener.detach()]
        case "socket":
            return {}, [socket.socket().detach()]
        case "nft":
            words = [*request["options"], *(TABLE.split() if "chain" in request else [])]
            words += [request["chain"]] if "chain" in request else []
            return {"said": _run("nft", *words, script=request.get("script", ""))}, []
    return {}, []


def _make_hub() -> None:
    """Leave the machine's network for an empty one of our own, as root or in a user namespace."""
    uid, gid = os.getuid(), os.getgid()
    if uid != 0 or _libc.unshare(_NEW_NET) != 0:
        _check(_libc.unshare(_NEW_USER | _NEW_NET), "make a user and a network namespace")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    _libc.prctl(_PR_SET_DUMPABLE, 1)  # so that instances may look up our namespaces under /proc
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of rights clears it
    _run("ip", "link", "set", "lo", "up")
    _run("nft", "-f", "-", script=_RULES)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # of this namespace only


def _make_leaf(number: int) -> int:
    """A namespace with one veth to the hub; the pid of the process that keeps it."""
    reader, writer = os.pipe()
    hub = os.getpid()
    pid = os.fork()
    if pid == 0:
        _keep_leaf(hub, writer)
    os.close(writer)
    with open(reader, "rb") as made:
        if made.read(1) != b"+":
            raise OSError("a network namespace could not be made")
    name = _interface(number)
    _run("ip", "link", "add", name, "type", "veth", "peer", "name", "up0", "netns", str(pid))
    _run("ip", "address", "add", f"{_address(number, 1)}/30", "dev", name)
    _run("ip", "link", "set", name, "up")
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip"]
    for words in (
        ["link", "set", "lo", "up"],
        ["address", "add", f"{_address(number, 2)}/30", "dev", "up0"],
        ["link", "set", "up0", "up"],
        ["route", "add", "default", "via", _address(number, 1)],
    ):
        _run(*inside, *words)
    return pid


def _keep_leaf(hub: int, made: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != hub or _libc.unshare(_NEW_NET) != 0:
        os._exit(1)
    _libc.prctl(_PR_SET_DUMPABLE, 1)
    os.closerange(3, made)
    os.write(made, b"+")
    os.close(made)
    while True:
        signal.pause()


def _interface(number: int) -> str:
    return f"leaf{number}"


def _address(number: int, end: int) -> str:
    """The hub's (1) or the leaf's (2) address on the `number`th veth pair, a /30 of its own."""
    return f"{NETWORK}.{number // 64}.{number % 64 * 4 + end}"


def _counted(listed: dict[str, Any]) -> list[int]:
    rules = [one["rule"]["expr"] for one in listed["nftables"] if "rule" in one]
    return [
        expression["counter"]["bytes"]
        for rule in rules
        for expression in rule
        if "counter" in expression
    ]


def _run(program: str, *words: str, script: str = "") -> str:
    done = subprocess.run(
        [_program(program) or program, *words],
        input=script, capture_output=True, text=True, check=False, timeout=PROBE_S,
    )  # fmt: skip
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0]
        raise OSError(f"{program}: {why}")
    return done.stdout


def _program(name: str) -> str | None:
    """A program on PATH, or where the system's own lie, which PATH may leave out."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(f"cannot {what}: {os.strerror(number)}")


def main() -> None:
    """Try everything once, in this process's own child; exit 1 with one line if it cannot be."""
    try:
        hub = Hub()
        port = hub.listener(hub.leaf("probe")).getsockname()[1]
        hub.rule(port, Way(cut=True), Way(loss=0.5))
    except OSError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
