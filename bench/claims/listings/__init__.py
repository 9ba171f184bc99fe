"""The code that the common guides print, in our words, shown running with what it does.

Each listing is the few lines that people copy, and a scene: replicas that run it against a real
server, and a count of what went wrong. The replicas are coroutines of one process with connections
of their own; what breaks is the logic, and needs no more. The designs that are wrong in a whole
fleet of processes are the controls (`coordbench list`).
"""

from bench.claims.listings.leaders import LISTINGS as LEADERS
from bench.claims.listings.listing import Listing, Seen
from bench.claims.listings.locks import LISTINGS as LOCKS
from bench.claims.listings.queues import LISTINGS as QUEUES
from bench.claims.listings.tables import LISTINGS as TABLES

LISTINGS: tuple[Listing, ...] = (*LOCKS, *LEADERS, *QUEUES, *TABLES)

__all__ = ["LISTINGS", "Listing", "Seen"]
