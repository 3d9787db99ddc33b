"""The scripted strategy: enters and leaves when the history says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from shared.models.exits import ExitRules
from shared.models.market import CandleBuffer
from shared.models.orders import Side
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView
from tests.crash.history import SIGNAL_LIFE_S, Wish

CENT = Decimal("0.01")


class ScriptedStrategy:
    """Wishes what it was told to wish, each for some seconds."""

    name = "scripted"

    def __init__(self, wishes: Sequence[Wish], begins_at: datetime) -> None:
        self._wishes = tuple((begins_at + timedelta(seconds=wish.at_s), wish) for wish in wishes)

    def decide(self, snapshot: MarketSnapshot, portfolio: PortfolioView) -> Sequence[Signal]:
        found = []
        for at, wish in self._wishes:
            age_s = (snapshot.now - at).total_seconds()
            quote = snapshot.quotes.get(wish.symbol)
            if not 0 <= age_s <= SIGNAL_LIFE_S or wish.symbol in portfolio.busy_symbols:
                continue
            if quote is not None and quote.is_tradable:
                found.append(_signal(at, wish, quote.ask))
        return found

    def exit_reason(self, position: Position, buffer: CandleBuffer, now: datetime) -> str | None:
        if position.opened_at is None:
            return None
        earlier = [
            wish
            for at, wish in self._wishes
            if wish.symbol == position.symbol and at <= position.opened_at
        ]
        if not earlier or earlier[-1].leave_after_s is None:
            return None
        held_s = (now - position.opened_at).total_seconds()
        wanted_s = earlier[-1].leave_after_s
        return f"scripted: after {wanted_s} s" if held_s >= wanted_s else None


class TrailingStrategy(ScriptedStrategy):
    """The same, whose stops follow the price closely and often, and whose positions end by time."""

    exit_rules = ExitRules(
        trail_atr_multiple=1.5,
        trail_atr_bars=2,
        trail_every=timedelta(seconds=5),
        hold_max=timedelta(seconds=40),
    )


def _signal(at: datetime, wish: Wish, ask: Decimal) -> Signal:
    return Signal(
        strategy=ScriptedStrategy.name,
        symbol=wish.symbol,
        side=Side.BUY,
        at=at,
        entry_price=ask,
        stop_price=ask - wish.stop_cents * CENT,
        target_price=ask + wish.target_cents * CENT,
        strength=0.5,
        reason="scripted",
    )
