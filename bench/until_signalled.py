"""Running what takes minutes: Ctrl-C and SIGTERM end it in order, and its errors are one error."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


def run_until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end; raises KeyboardInterrupt on either signal, once it has cleaned up.

    Of a group of errors the first is raised, which is the one to be told in a line.
    """
    try:
        asyncio.run(_cancelled_by_sigterm(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group


def heed_cancellation() -> None:
    """Raise CancelledError in a task that was told to end and is still going on.

    Before Python 3.12 a client library that uses asyncio.wait_for can swallow the one cancellation
    that a task gets; those we know of are not used that way, but a bench must end when told to.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await work
