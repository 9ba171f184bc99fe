"""The control `publish-everywhere`: a queue whose publishers invent a message id each.

1. Every instance has the schedule, and publishes every fire when it is due.
2. The id of the message is random, so that nothing can tell that it is the same fire.
3. Workers consume, extend, acknowledge and retry as they should (strategies.queue).

Known wrong: the broker delivers each message once, and there are N of them. This is what guides
print when they add a queue to a service of N replicas and leave `@Scheduled` on each. Its clock
assumptions and failures are those of the queue; it guarantees at least one run, of each message.
"""

from strategies.interface import ANYTHING, Breaks, Design, Promise
from strategies.queue.designs import bounds, publish_everywhere

DESIGNS = (
    Design(
        name="publish-everywhere",
        family="controls",
        summary="every instance publishes each fire under a random message id",
        services=("redis",),
        make=publish_everywhere,
        promise=Promise(under={"steady": ANYTHING}, retries=True, recovers=True, persistent=True),
        bounds=bounds,
        kind="control",
        adapters=("strategies.queue.redis",),
        fence_scope="fire",
        breaks=(
            Breaks(
                scenario="steady",
                column="duplicate_fires",
                at_least=1,
                why="each of N instances publishes every fire, and each message is run",
            ),
        ),
    ),
)
