"""A strategy for proofs: it buys on Fridays and leaves on Mondays, an hour and a half after the
opening, so that whatever happens between two weeks happens to its positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from services.trading_bot.brain.port import StrategySheet
from shared.models.limits import Limits
from shared.models.market import CandleBuffer
from shared.models.numbers import round_to_tick
from shared.models.orders import Side
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView

REWARD_RISK = Decimal("2")
STOP_FRACTION = Decimal("0.05")
MONDAY, FRIDAY, LEAVES_AT_HOUR = 0, 4, 15


class Weekend:
    """Buys at the ask; stop and target are fractions of it, far enough for a quiet weekend."""

    name = "weekend"

    def decide(self, snapshot: MarketSnapshot, portfolio: PortfolioView) -> Sequence[Signal]:
        """Return a signal for each quoted symbol that nobody owns, on Fridays."""
        if snapshot.now.weekday() != FRIDAY:
            return []
        signals = []
        for symbol in sorted(snapshot.buffers.keys() - portfolio.busy_symbols):
            quote = snapshot.quotes.get(symbol)
            if quote is None or not quote.is_tradable:
                continue
            stop = round_to_tick(quote.ask * (1 - STOP_FRACTION))
            signals.append(
                Signal(
                    strategy=self.name,
                    symbol=symbol,
                    side=Side.BUY,
                    at=snapshot.now,
                    entry_price=quote.ask,
                    stop_price=stop,
                    target_price=quote.ask + 2 * (quote.ask - stop) + Decimal("0.01"),
                    strength=0.5,
                    reason="to be held over the weekend",
                )
            )
        return signals

    def exit_reason(self, position: Position, buffer: CandleBuffer, now: datetime) -> str | None:
        """Return on Mondays that the weekend is over."""
        is_over = now.weekday() == MONDAY and now.hour >= LEAVES_AT_HOUR
        return "weekend: it is over" if is_over else None


def _make(_limits: Limits) -> Weekend:
    return Weekend()


STRATEGY = StrategySheet(name="weekend", reward_risk=REWARD_RISK, make=_make)
