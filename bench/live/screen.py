"""Where a fleet that is up is seen: the whole terminal, or one line per event in a pipe."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bench.live.view import View, draw, event_text
from bench.live.watch import Line

PATIENCE_S = 1.0


class Screen:
    """Shows a fleet on a console. On a terminal it takes the whole of it, and gives it back."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._view: Callable[[], View] | None = None
        self._writing: asyncio.Future[None] | None = None

    def step(self, text: str) -> None:
        """A step of the beginning or the end."""
        if self._live is None:
            self._console.print(text, markup=False, soft_wrap=True)

    @asynccontextmanager
    async def showing(self, view: Callable[[], View]) -> AsyncIterator[None]:
        """While inside, `show` shows what `view` gives."""
        self._view = view
        if not self._console.is_terminal:
            yield
            await self._settled()
            self.show()
            await self._settled()
            return
        with Live(console=self._console, screen=True, auto_refresh=False) as self._live:
            try:
                yield
            finally:
                await self._settled()
                self._live = None

    def show(self) -> None:
        """Show it as it is now, unless the terminal has not taken the last picture yet.

        In a thread: a pipe that nobody reads, or a terminal held by Ctrl-S, must not keep faults
        from healing.
        """
        assert self._view is not None
        if self._writing is not None and not self._writing.done():
            return
        view = self._view()
        news = list(view.watch.news)
        view.watch.news.clear()
        if self._live is not None:
            size = self._console.size
            drawn = draw(view, size.width, size.height)
            self._writing = asyncio.ensure_future(asyncio.to_thread(self._picture, drawn))
        elif news:
            self._writing = asyncio.ensure_future(asyncio.to_thread(self._lines, news))

    def _picture(self, drawn: Text) -> None:
        if self._live is not None:
            self._live.update(drawn, refresh=True)

    def _lines(self, news: list[Line]) -> None:
        for line in news:
            self._console.print(event_text(line), soft_wrap=True)

    async def _settled(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=PATIENCE_S)
