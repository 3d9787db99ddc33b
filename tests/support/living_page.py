"""A dashboard whose supervisor and bot live, and its page in a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page

from tests.support.dashboard import Dashboard

WAIT_MS = 12_000


@dataclass
class Rest:
    """Plays supervisor and bot: writes their documents anew every half second."""

    page: Dashboard
    health: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def write(self) -> None:
        """Write both once and wait until they are seen."""
        with self.turn:
            self.page.write_status(**self.status)
            self.page.write_health(**self.health)

    @contextmanager
    def frozen_page(self) -> Iterator[None]:
        """Meanwhile the dashboard's process stands still, its connections open."""
        with self.turn:
            self.page.freeze()
            try:
                yield
            finally:
                self.page.thaw()

    @contextmanager
    def living(self) -> Iterator[Rest]:
        """Keep them fresh meanwhile."""
        self.write()
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop,))
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join(timeout=10)

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(0.5):
            self.write()


@contextmanager
def opened(browser: Browser, rest: Rest, **options: Any) -> Iterator[Page]:
    """The page in a fresh context; fails on any console error or uncaught exception."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{rest.page.port}", **options)
    problems: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.goto("/")
    try:
        yield page
        assert problems == []
    finally:
        context.close()
