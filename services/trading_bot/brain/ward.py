"""One strategy under guard: its faults are counted and kept from everybody else.

A strategy that is off answers nothing; its positions keep their stop and target at the broker
and the exit rules that it carries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from services.trading_bot.brain.answers import checked_reason, checked_signals
from services.trading_bot.brain.black_box import BlackBox
from services.trading_bot.brain.containment import contained
from services.trading_bot.brain.port import StrategySheet
from shared.models.exits import ExitRules
from shared.models.market import CandleBuffer
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView, Strategy
from shared.telemetry.logs import log_event

STRIKES_MAX = 3
"""With so many faults a strategy is switched off until the bot starts anew."""
FORGIVEN_AFTER = 500
"""Sound answers in a row after which earlier faults no longer count."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """One line of bot_status.json: which strategies work, and why one does not."""

    name: str
    is_on: bool
    reason: str
    """Why it is off, or its last fault; empty when there was none."""
    strikes: int
    tried_on: str = ""
    """On which bars it stood its trial; empty for one that did not."""


class Ward:
    """ExitingStrategy around any strategy; asked, it never raises for what that does. Making one
    looks at the strategy, and raises whatever that raises.
    """

    def __init__(
        self,
        sheet: StrategySheet,
        strategy: Strategy,
        *,
        is_foreign: bool = False,
        box: BlackBox | None = None,
        tried_on: str = "",
    ) -> None:
        self.name = sheet.name
        self.sheet = sheet
        self.exit_rules: ExitRules = getattr(strategy, "exit_rules", ExitRules())
        self._strategy = strategy
        self._says_when_to_leave = hasattr(strategy, "exit_reason")
        self._is_foreign = is_foreign
        self._box = box or BlackBox()
        self._tried_on = tried_on
        self._strikes = self._sound = 0
        self._fault = ""

    @property
    def is_on(self) -> bool:
        """Whether it is still asked."""
        return self._strikes < STRIKES_MAX

    @property
    def row(self) -> StrategyRow:
        """What the status shows of it."""
        return StrategyRow(self.name, self.is_on, self._fault, self._strikes, self._tried_on)

    def decide(self, snapshot: MarketSnapshot, portfolio: PortfolioView) -> Sequence[Signal]:
        """Return its sound signals; none when it is off or at fault."""
        shown = _copied(snapshot) if self._is_foreign else snapshot

        def ask() -> tuple[Signal, ...]:
            answer = self._strategy.decide(shown, _shielded(portfolio))
            return checked_signals(answer, self.sheet, snapshot)

        return self._asked(ask) or ()

    def exit_reason(self, position: Position, buffer: CandleBuffer, now: datetime) -> str | None:
        """Return its reason to leave; None when it has none, is off or at fault."""
        if not self._says_when_to_leave:
            return None
        shown = buffer.copy() if self._is_foreign else buffer

        def ask() -> str | None:
            own: Any = self._strategy
            return checked_reason(own.exit_reason(position, shown, now))

        return self._asked(ask)

    def _asked(self, ask: Callable[[], T]) -> T | None:
        if not self.is_on:
            return None
        with self._box.speaking(self.name):
            outcome = contained(ask)
        if outcome.fault:
            self._strike(outcome.fault)
        else:
            self._sound += 1
            if self._sound >= FORGIVEN_AFTER:
                self._strikes = 0
        return outcome.answer

    def _strike(self, fault: str) -> None:
        self._sound = 0
        self._strikes += 1
        self._fault = fault
        event = "strategy_at_fault" if self.is_on else "strategy_switched_off"
        message = f"{self.name} (fault {self._strikes} of {STRIKES_MAX}): {fault}"
        logger = logging.getLogger("strategies")
        log_event(logger, event, message, level=logging.WARNING, strategy=self.name)


class Absent:
    """The place of a strategy that could not be loaded or did not pass its trial."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.row = StrategyRow(name, is_on=False, reason=reason, strikes=0)
        log_event(
            logging.getLogger("strategies"),
            "strategy_switched_off",
            f"{name}: {reason}",
            level=logging.WARNING,
            strategy=name,
        )

    def decide(self, _: MarketSnapshot, __: PortfolioView) -> Sequence[Signal]:
        """Wish for nothing."""
        return ()

    def exit_reason(self, *_: object) -> str | None:
        """Leave nothing: what the broker holds for the position remains."""
        return None


def rows_of(strategies: Iterable[object]) -> tuple[StrategyRow, ...]:
    """Return the lines of those that are under guard, by name."""
    rows = [each.row for each in strategies if isinstance(each, Ward | Absent)]
    return tuple(sorted(rows, key=lambda row: row.name))


def switched_off(strategies: Iterable[object]) -> str:
    """Return in words which strategies are off and why; empty when none is."""
    return "; ".join(
        f"strategy {row.name} is switched off: {row.reason}"
        for row in rows_of(strategies)
        if not row.is_on
    )


def sheet_of(strategy: object) -> StrategySheet | None:
    """Return the sheet of a strategy under guard, None for any other."""
    return strategy.sheet if isinstance(strategy, Ward) else None


def _shielded(portfolio: PortfolioView) -> PortfolioView:
    """Return the account in a form that nobody can empty: its positions are the bot's memory."""
    return replace(portfolio, positions=MappingProxyType(dict(portfolio.positions)))


def _copied(snapshot: MarketSnapshot) -> MarketSnapshot:
    """Return the moment in a form whose change harms nobody."""
    buffers = {symbol: buffer.copy() for symbol, buffer in snapshot.buffers.items()}
    return replace(snapshot, buffers=buffers, quotes=MappingProxyType(dict(snapshot.quotes)))
