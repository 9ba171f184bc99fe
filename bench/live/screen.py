"""Where a fleet that is up is seen: the whole terminal, or one line per event in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from bench.live.view import View, draw, event_text


class Screen:
    """Shows a fleet on a console. On a terminal it takes the whole of it, and gives it back."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._view: Callable[[], View] | None = None

    def step(self, text: str) -> None:
        """A step of the beginning or the end."""
        if self._live is None:
            self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def showing(self, view: Callable[[], View]) -> Iterator[None]:
        """While inside, `show` shows what `view` gives."""
        self._view = view
        if not self._console.is_terminal:
            yield
            self.show()
            return
        with Live(console=self._console, screen=True, auto_refresh=False) as self._live:
            try:
                yield
            finally:
                self._live = None

    def show(self) -> None:
        """Show it as it is now."""
        assert self._view is not None
        view = self._view()
        news = view.watch.news
        if self._live is not None:
            size = self._console.size
            self._live.update(draw(view, size.width, size.height), refresh=True)
            news.clear()
        while news:
            self._console.print(event_text(news.popleft()), soft_wrap=True)
