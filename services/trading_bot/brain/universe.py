"""Clock C: every thirty minutes of market time, which symbols are worth watching for entries.

Pure. A choice is made of what was finished before its slot began, so that a bot that starts in
the middle of one chooses the same. Few symbols are all kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from shared.models.flow import FlowAlert, FlowView
from shared.models.market import CandleBuffer

SLOT = timedelta(minutes=30)
SYMBOLS_MAX = 40
"""Up to so many symbols are all kept."""
LIQUIDITY_BARS = 30
FLOW_SHARE = 0.25
"""Share of the places that goes by option flow; the others go by liquidity."""
_MINUTE = timedelta(minutes=1)


def slot_of(now: datetime) -> datetime:
    """Return the beginning of the slot that a market moment lies in."""
    return now - timedelta(
        minutes=now.minute % 30, seconds=now.second, microseconds=now.microsecond
    )


def choose_universe(
    buffers: Mapping[str, CandleBuffer],
    flow: FlowView,
    slot: datetime,
    symbols_max: int = SYMBOLS_MAX,
) -> frozenset[str]:
    """Return the symbols that may be entered in this slot: first those with the most money in
    their option flow, then the most liquid ones; ties by name.
    """
    if len(buffers) <= symbols_max:
        return frozenset(buffers)
    money = {symbol: _flow_premium(flow.alerts.get(symbol, ()), slot) for symbol in buffers}
    turnover = _dollars_per_minute(buffers, slot)
    by_flow = sorted(buffers, key=lambda symbol: (-money[symbol], symbol))
    by_turnover = sorted(buffers, key=lambda symbol: (-turnover[symbol], symbol))
    places = int(symbols_max * FLOW_SHARE)
    chosen = [symbol for symbol in by_flow[:places] if money[symbol] > 0]
    for symbol in by_turnover:
        if len(chosen) == symbols_max:
            break
        if symbol not in chosen:
            chosen.append(symbol)
    return frozenset(chosen)


def _dollars_per_minute(buffers: Mapping[str, CandleBuffer], slot: datetime) -> Mapping[str, float]:
    """Return the turnover of a usual minute by symbol: the median over the market's last minutes,
    so that one block trade says little. Where a symbol did not trade it turned nothing over.
    """
    traded = {symbol: _dollars(buffer, slot) for symbol, buffer in buffers.items()}
    minutes = sorted(set().union(*traded.values()))[-LIQUIDITY_BARS:]
    return {
        symbol: median(dollars.get(minute, 0.0) for minute in minutes) if minutes else 0.0
        for symbol, dollars in traded.items()
    }


def _dollars(buffer: CandleBuffer, slot: datetime) -> Mapping[datetime, float]:
    """Return what was traded in the last minutes of a symbol that were over when the slot began."""
    finished = [candle for candle in buffer if candle.start + _MINUTE <= slot]
    return {one.start: float(one.close) * one.volume for one in finished[-LIQUIDITY_BARS:]}


def _flow_premium(alerts: Sequence[FlowAlert], slot: datetime) -> float:
    return sum(float(alert.premium) for alert in alerts if slot - SLOT <= alert.at < slot)
