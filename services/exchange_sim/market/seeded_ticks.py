"""A seeded path as the market's values: the trades of a minute, its candle, a day's bar. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.exchange_sim.market.bar_file import epoch_minute, minute_moment
from services.exchange_sim.market.port import Session, TradedBar, TradeTick
from services.exchange_sim.market.prints import TICK_SECONDS, TICKS_PER_MINUTE
from services.exchange_sim.market.seeded_path import MinuteCents, SeededPath, dollars
from services.exchange_sim.market.series import day_stamp
from shared.models.market import Candle

TICK = timedelta(seconds=TICK_SECONDS)


def tick_at(now: datetime) -> tuple[int, int]:
    """Return the epoch minute and the tick that are newest at that time."""
    minute = epoch_minute(now)
    return minute, int((now - minute_moment(minute)).total_seconds()) // TICK_SECONDS


def trade_of(path: SeededPath, minute: int, tick: int) -> TradeTick:
    """Return the trade of that tick."""
    at = minute_moment(minute) + tick * TICK
    price = dollars(path.tick(minute, tick))
    return TradeTick(at, path.symbol, price, path.tick_size(minute, tick))


def minute_trades(path: SeededPath, minute: int) -> list[TradeTick]:
    """Return the trades of that epoch minute."""
    return [trade_of(path, minute, tick) for tick in range(TICKS_PER_MINUTE)]


def candle_of_minute(path: SeededPath, minute: int) -> Candle:
    """Return the bar of that epoch minute."""
    return _bar_candle(path.symbol, minute_moment(minute), path.minute(minute))


def _bar_candle(symbol: str, start: datetime, bar: MinuteCents) -> Candle:
    return Candle(
        symbol,
        start,
        dollars(bar.open),
        dollars(bar.high),
        dollars(bar.low),
        dollars(bar.close),
        bar.volume,
    )


def day_bar(path: SeededPath, session: Session, now: datetime) -> TradedBar:
    """Return one bar of the session's minutes that are finished at `now`; at least one is."""
    first, end = epoch_minute(session.opens_at), epoch_minute(min(session.closes_at, now))
    bar, cents = path.span(first, end)
    candle = _bar_candle(path.symbol, day_stamp(session.day), bar)
    return TradedBar(candle, (end - first) * TICKS_PER_MINUTE, dollars(cents))
