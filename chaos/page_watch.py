"""Asks the dashboard's API once a second, and health.json beside it: who says what."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress

from chaos.evidence import PageSaid
from chaos.tree import Tree
from services.heartbeat.page_probe import ask_page
from shared.clock import Clock
from shared.config.endpoints import read_dashboard_url
from shared.errors import SystemFault

EVERY_S, READ_EVERY_S, TIMEOUT_S = 1.0, 0.25, 2.0
LAG_S = 3.0
"""So much older than health.json may an answer be: a refresh, a judgement, a busy machine."""


class PageWatch:
    """A thread: an answer that hangs must not keep the drill from looking."""

    def __init__(self, tree: Tree, clock: Clock) -> None:
        self._tree, self._clock = tree, clock
        self._stop = threading.Event()
        self._said: list[PageSaid] = []
        self._file: deque[tuple[float, str]] = deque()
        self._thread = threading.Thread(target=self._run, name="page-watch", daemon=True)
        self._thread.start()

    def since(self, at_s: float) -> tuple[PageSaid, ...]:
        """Return the answers to what was asked since then, on the monotonic clock."""
        return tuple(one for one in self._said if one.asked_s >= at_s)

    def close(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join(2 * TIMEOUT_S)

    def _run(self) -> None:
        asked_s = float("-inf")
        while not self._clock.wait(self._stop, READ_EVERY_S):
            self._read()
            if self._clock.monotonic_s() - asked_s >= EVERY_S:
                asked_s = self._clock.monotonic_s()
                self._ask(asked_s)

    def _read(self) -> None:
        now_s = self._clock.monotonic_s()
        self._file.append((now_s, str(self._tree.health().overall)))
        while self._file[0][0] < now_s - LAG_S:
            self._file.popleft()

    def _ask(self, asked_s: float) -> None:
        with suppress(SystemFault, OSError, ValueError):
            url = read_dashboard_url(self._tree.state.endpoints)
            answer = ask_page(url, TIMEOUT_S) if url is not None else None
            before = {word for _, word in self._file}
            self._read()
            if answer is not None and answer.overall:
                words = frozenset(before | {word for _, word in self._file})
                self._said.append(PageSaid(asked_s, answer.overall, words))
