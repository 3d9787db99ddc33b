"""Unusual Whales' shapes of what minutes and sessions come to: ticks, tide, volumes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.unusual_whales.contracts import CONTRACT_SHARES
from services.exchange_sim.unusual_whales.flow import FlowMinute, Side, minute_end
from services.exchange_sim.unusual_whales.wire import plain
from services.exchange_sim.wire import Document

_FOUR = Decimal("0.0001")
_ZERO = Decimal(0)
_DELTA_SHARES = 50
"""The average contract moves like half its shares."""


def tick_document(minute: FlowMinute) -> Document:
    """Return the net premium of one minute: a difference, to be summed by the reader."""
    calls, puts = minute.calls, minute.puts
    local = minute.candle.start.astimezone(NEW_YORK)
    delta = (calls.net_volume - puts.net_volume) * _DELTA_SHARES
    return {
        "date": local.date().isoformat(),
        "tape_time": f"{minute.candle.start:%Y-%m-%dT%H:%M:%SZ}",
        **_side_counts("call", calls),
        **_side_counts("put", puts),
        "net_call_volume": calls.net_volume,
        "net_put_volume": puts.net_volume,
        "net_call_premium": _money(calls.net_premium),
        "net_put_premium": _money(puts.net_premium),
        "net_delta": _money(Decimal(delta)),
    }


def _side_counts(name: str, side: Side) -> Document:
    return {
        f"{name}_volume": side.volume,
        f"{name}_volume_ask_side": side.at_ask,
        f"{name}_volume_bid_side": side.at_bid,
    }


def _money(amount: Decimal) -> str:
    return str(amount.quantize(_FOUR))


def tide_documents(
    minutes: Iterable[FlowMinute], step_minutes: int, *, otm_only: bool
) -> list[Document]:
    """Return the market tide: the net premiums of all symbols since the session began, one row
    for each step that has something, stamped with its begin in New York.
    """
    steps: dict[int, tuple[Decimal, Decimal, int]] = {}
    length = step_minutes * 60
    for minute in minutes:
        share = minute.otm_share if otm_only else Decimal(1)
        begin = int(minute.candle.start.timestamp()) // length * length
        calls, puts, volume = steps.get(begin, (_ZERO, _ZERO, 0))
        steps[begin] = (
            calls + minute.calls.net_premium * share,
            puts + minute.puts.net_premium * share,
            volume + minute.calls.net_volume - minute.puts.net_volume,
        )
    calls = puts = _ZERO
    documents: list[Document] = []
    for begin, (more_calls, more_puts, volume) in sorted(steps.items()):
        calls, puts = calls + more_calls, puts + more_puts
        local = datetime.fromtimestamp(begin, NEW_YORK)
        documents.append(
            {
                "timestamp": local.isoformat(),
                "date": local.date().isoformat(),
                "net_call_premium": _money(calls),
                "net_put_premium": _money(puts),
                "net_volume": volume,
            }
        )
    return documents


def day_document(minutes: Iterable[FlowMinute], day: str) -> Document:
    """Return what a session's options came to so far."""
    known = list(minutes)
    document: Document = {"date": day}
    for name, sides in (
        ("call", [minute.calls for minute in known]),
        ("put", [minute.puts for minute in known]),
    ):
        document |= {
            f"{name}_volume": sum(side.volume for side in sides),
            f"{name}_volume_ask_side": sum(side.at_ask for side in sides),
            f"{name}_volume_bid_side": sum(side.at_bid for side in sides),
            f"{name}_premium": plain(sum((side.premium for side in sides), _ZERO)),
            f"net_{name}_premium": plain(sum((side.net_premium for side in sides), _ZERO)),
        }
    bullish = sum((one.calls.at_ask * one.calls.price for one in known), _ZERO)
    bullish += sum((one.puts.at_bid * one.puts.price for one in known), _ZERO)
    bearish = sum((one.calls.at_bid * one.calls.price for one in known), _ZERO)
    bearish += sum((one.puts.at_ask * one.puts.price for one in known), _ZERO)
    document["bullish_premium"] = plain(bullish * CONTRACT_SHARES)
    document["bearish_premium"] = plain(bearish * CONTRACT_SHARES)
    return document


def state_document(minutes: Iterable[FlowMinute], prior_close: Decimal | None) -> Document | None:
    """Return the state of a share today, None before its first minute."""
    known = list(minutes)
    if not known:
        return None
    candles = [minute.candle for minute in known]
    return {
        "open": plain(candles[0].open),
        "high": plain(max(candle.high for candle in candles)),
        "low": plain(min(candle.low for candle in candles)),
        "close": plain(candles[-1].close),
        "volume": candles[-1].volume,
        "total_volume": sum(candle.volume for candle in candles),
        "prev_close": None if prior_close is None else plain(prior_close),
        "market_time": "market",
        "tape_time": f"{minute_end(known[-1]):%Y-%m-%dT%H:%M:%SZ}",
    }
