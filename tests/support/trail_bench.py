"""A bench on the exchange's books whose strategy wants its stops to follow the price."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.trading_bot.decision import Facts
from shared.models.exits import ExitRules
from shared.models.market import Candle, CandleBuffer
from shared.ports import MarketSnapshot
from tests.support.bot_bench import POLICY
from tests.support.builders import D
from tests.support.venue_bench import SYMBOL, VenueBench

RULES = ExitRules(trail_atr_multiple=2.0, trail_atr_bars=3)
TRAILING = replace(POLICY, symbols=frozenset({SYMBOL}), exit_rules={"momentum": RULES})


class TrailBench(VenueBench):
    """A bench whose strategy wants its stops to follow, two ATR of a dollar behind the bid."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(policy=changes.pop("policy", TRAILING), **changes)
        self.atr = D(1)

    def facts(self) -> Facts:
        facts = super().facts()
        buffer = CandleBuffer(SYMBOL, 10, 5)
        for number in range(5):
            start = self.now.replace(second=0, microsecond=0) - timedelta(minutes=6 - number)
            middle = D(100)
            low, high = middle - self.atr / 2, middle + self.atr / 2
            buffer.add(Candle(SYMBOL, start, middle, high, low, middle, 100))
        return replace(
            facts, market=MarketSnapshot(facts.now, {SYMBOL: buffer}, facts.market.quotes)
        )

    def rise(self, price: str) -> None:
        """Let the price rise, long after everything before."""
        self.pass_time(61)
        self.trade(price)
