"""A strategy for proofs: it buys what it does not hold and never leaves by itself, so that its
positions stand over nights, weekends and splits, with nothing but stop and target at the broker.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.trading_bot.brain.port import StrategySheet
from shared.models.limits import Limits
from shared.models.numbers import round_to_tick
from shared.models.orders import Side
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView

REWARD_RISK = Decimal("2")
STOP_FRACTION = Decimal("0.015")


class Overnight:
    """Buys at the ask; stop and target are fractions of it."""

    name = "overnight"

    def decide(self, snapshot: MarketSnapshot, portfolio: PortfolioView) -> Sequence[Signal]:
        """Return a signal for each quoted symbol that nobody owns."""
        signals = []
        for symbol in sorted(snapshot.buffers):
            quote = snapshot.quotes.get(symbol)
            if symbol in portfolio.busy_symbols or quote is None or not quote.is_tradable:
                continue
            stop = round_to_tick(quote.ask * (1 - STOP_FRACTION))
            target = quote.ask + 2 * (quote.ask - stop) + Decimal("0.01")
            signals.append(
                Signal(
                    strategy=self.name,
                    symbol=symbol,
                    side=Side.BUY,
                    at=snapshot.now,
                    entry_price=quote.ask,
                    stop_price=stop,
                    target_price=target,
                    strength=0.5,
                    reason="to be held over the night",
                )
            )
        return signals


def _make(_limits: Limits) -> Overnight:
    return Overnight()


STRATEGY = StrategySheet(name="overnight", reward_risk=REWARD_RISK, make=_make)
