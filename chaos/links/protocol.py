"""What the relay is asked on its stdin and answers on its stdout: one JSON object a line.

-> {"type": "open", "route": "i1>redis", "host": "127.0.0.1", "port": 6379}
<- {"port": 40123}
-> {"type": "shape", "route": "i1>redis", "traffic": {"outbound": {"cut": true}}}
<- {"carried": {"connections": 1, ...}}
"""

import msgspec

from chaos.links.traffic import Carried, Traffic


class Open(msgspec.Struct, tag="open", frozen=True):
    """Make a route to host:port; answered with where to connect to.

    From the network namespace `leaf`, made when it is first named; from the host where it is empty.
    `inside`: the server is in a leaf too, and host is its own address.
    """

    route: str
    host: str
    port: int
    leaf: str = ""
    inside: bool = False


class Shape(msgspec.Struct, tag="shape", frozen=True):
    """Change a route's state; answered with what it carried."""

    route: str
    traffic: Traffic


class ResetAll(msgspec.Struct, tag="reset", frozen=True):
    """Reset a route's connections; answered with what it carried."""

    route: str


class Look(msgspec.Struct, tag="look", frozen=True):
    """Answered with what the route carries now."""

    route: str


class Redirect(msgspec.Struct, tag="redirect", frozen=True):
    """Carry a route's new connections to host:port from now on; its open ones stay as they are."""

    route: str
    host: str
    port: int


class Place(msgspec.Struct, tag="place", frozen=True):
    """Make the network namespace `leaf`; answered with its own address and a process inside."""

    leaf: str


class Split(msgspec.Struct, tag="split", frozen=True):
    """Let nothing pass between the leaves of two sides; two empty sides join all again."""

    one: list[str]
    other: list[str]


Request = Open | Shape | ResetAll | Look | Redirect | Place | Split


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The relay's answer to one request.

    `network` is a process in the leaf's namespace, 0 for the host's own. `error` says what failed.
    """

    port: int = 0
    address: str = ""
    network: int = 0
    carried: Carried = Carried()
    error: str = ""
