"""Gathers the books at the end of a drill: the exchange's, our own, and what people were told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from chaos.evidence import Books
from chaos.exchange_books import ExchangeBooks
from chaos.page_watch import PageWatch
from chaos.receiver import AlertReceiver
from chaos.watcher import Watcher
from services.heartbeat.quiet import is_quiet
from shared.clock import Clock
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SystemFault

OWN_ID = re.compile(rb"sht-[a-z0-9]+-[a-z0-9_]+-[0-9a-f]{12}")
LONG_AGO = "2000-01-01T00:00:00Z"
HEARD_S = 10.0
"""Within so long of the end the dashboard must have been heard once."""
AGREED_S = 15.0
"""Fills go on: so long the state may take to say what the exchange says, once, of each symbol."""


class BookKeeper:
    """Everything that is read besides health.json."""

    def __init__(
        self,
        state: StatePaths,
        logs: LogPaths,
        receiver: AlertReceiver,
        watcher: Watcher,
        clock: Clock,
    ) -> None:
        self._state, self._logs, self._receiver = state, logs, receiver
        self._watcher, self._clock = watcher, clock
        self._begun_s = clock.monotonic_s()

    def gather(self, market_from: str, since_s: float, pages: PageWatch) -> Books:
        """Return the books of the time since then, told by market and by the monotonic clock."""
        self._watcher.until(lambda _: bool(pages.since(since_s)), HEARD_S)
        try:
            exchange = ExchangeBooks(self._state)
            window = (market_from, exchange.now())
            orders = exchange.orders(LONG_AGO)
            recorded = self._recorded()
            found = Books(
                orders,
                window,
                recorded=recorded,
                astray=self._astray(exchange),
                positions=exchange.positions(),
                equity=str(exchange.account()["equity"]),
                audit=exchange.audit(),
                leaks=_leaks(self._logs.root, self._secrets(exchange)),
            )
        except SystemFault as fault:
            found = Books(audit={"is_whole": False, "differences": str(fault)})
        return replace(
            found,
            lines=tuple(self._watcher.lines),
            pages=pages.since(since_s),
            alerts=self._receiver.since(since_s),
            earlier=self._receiver.since(self._begun_s, since_s),
            is_quiet=is_quiet(self._clock.utc_now()),
        )

    def _recorded(self) -> frozenset[str]:
        """Return the ids in our books. The journal first: what leaves it is in the state then."""
        return _own_ids((self._state.journal, self._state.ledger, self._state.trading_state))

    def _astray(self, exchange: ExchangeBooks) -> tuple[str, ...]:
        """Return where the bot's saved positions and the exchange's never agreed for AGREED_S."""
        open_questions: set[str] | None = None

        def is_settled(_: object) -> bool:
            nonlocal open_questions
            theirs = {row["symbol"]: Decimal(str(row["qty"])) for row in exchange.positions()}
            ours = _saved_positions(self._state.trading_state)
            wrong = {
                symbol for symbol in {*theirs, *ours} if theirs.get(symbol) != ours.get(symbol)
            }
            open_questions = wrong if open_questions is None else open_questions & wrong
            return not open_questions

        self._watcher.until(is_settled, AGREED_S)
        return tuple(
            f"{symbol}: trading_state.json never said for {AGREED_S:g} s what the exchange says"
            for symbol in sorted(open_questions or ())
        )

    def _secrets(self, exchange: ExchangeBooks) -> tuple[str, ...]:
        with suppress(OSError):
            return (*exchange.secrets, self._state.dashboard_token.read_text("utf-8").strip())
        return exchange.secrets


def _saved_positions(path: Path) -> dict[str, Decimal]:
    held: dict[str, Any] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        held = json.loads(path.read_bytes())["payload"]["positions"]
    return {symbol: Decimal(str(one["qty"])) for symbol, one in held.items()}


def _leaks(folder: Path, secrets: tuple[str, ...]) -> tuple[str, ...]:
    needles = [one.encode() for one in secrets if one]
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):  # a log that is rotated meanwhile is read under its next name
            if path.is_file() and any(needle in path.read_bytes() for needle in needles):
                found.append(path.name)
    return tuple(found)


def _own_ids(paths: Iterable[Path]) -> frozenset[str]:
    """Return every client order id of ours that stands in these files or their neighbours."""
    found: set[str] = set()
    for path in paths:
        for one in path.parent.glob(f"{path.name}*"):
            with suppress(OSError):
                found.update(text.decode() for text in OWN_ID.findall(one.read_bytes()))
    return frozenset(found)
