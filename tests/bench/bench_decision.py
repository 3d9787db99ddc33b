"""One whole decision of the bot over many symbols, every indicator computed anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from services.trading_bot.decision import Facts, Policy
from services.trading_bot.plan import plan_turn
from services.trading_bot.strategies.momentum import Momentum
from shared.models.limits import Limits
from shared.models.market import CandleBuffer
from shared.ports import MarketSnapshot
from tests.bench.frame import Row, median, time_each
from tests.support.bars import bars_of_closes, flat_then_breakout, quote_at
from tests.support.bot_bench import BotBench

SYMBOLS, BARS, TURNS = 500, 200, 40
BREAKING_OUT = 25
CYCLE_MS_MAX = 50.0


def closes(number: int) -> list[float]:
    """Return the closes of one symbol: most swing without a breakout, some break out."""
    calm = [100.0 + (bar + number) % 7 / 10 for bar in range(BARS)]
    if number >= BREAKING_OUT:
        return calm
    breakout = flat_then_breakout(1.5 + number / 100)
    return calm[: BARS - len(breakout)] + breakout


def crowded_facts() -> Facts:
    """Return a moment with many symbols at the end of a minute, some of them breaking out."""
    bench, buffers, quotes = BotBench(), {}, {}
    first = bench.now - timedelta(minutes=BARS)
    for number in range(SYMBOLS):
        symbol = f"S{number:03d}"
        buffers[symbol] = CandleBuffer(symbol, BARS, 30)
        for candle in bars_of_closes(closes(number), symbol, first):
            buffers[symbol].add(candle)
            quotes[symbol] = quote_at(candle.close, bench.now, symbol)
    policy = Policy(frozenset(buffers), Limits(), {"momentum": Momentum()})
    return replace(bench.facts(), market=MarketSnapshot(bench.now, buffers, quotes), policy=policy)


def rows() -> Iterator[Row]:
    """Time the pure plan from facts to Decision; it must find its entry each time."""
    facts = crowded_facts()
    decision = plan_turn(facts)
    lost = sum(note.event == "signal_lost" for note in decision.notes)
    if len(decision.entries) != 1 or lost != BREAKING_OUT - 1:
        raise RuntimeError(f"the bench's own market gives {decision.notes}")
    cycle_ms = median(time_each(lambda: plan_turn(facts), TURNS)) * 1e3
    name = f"decision cycle, {SYMBOLS} symbols x {BARS} bars"
    yield Row(name, "ms", cycle_ms, CYCLE_MS_MAX)
