"""The controls: designs known to be wrong, each with the scenario that must break it."""

from strategies.controls.claim import DESIGNS as CLAIM
from strategies.controls.locks import DESIGNS as LOCKS
from strategies.controls.nothing import DESIGNS as NOTHING
from strategies.controls.publish_everywhere import DESIGNS as PUBLISH_EVERYWHERE
from strategies.interface import Design

DESIGNS: tuple[Design, ...] = (*NOTHING, *LOCKS, *CLAIM, *PUBLISH_EVERYWHERE)
