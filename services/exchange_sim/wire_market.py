"""Alpaca's shapes of bars, quotes and trades, for REST and stream. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from services.exchange_sim.market.port import BarClosed, MarketEvent, QuoteTick, TradeTick
from services.exchange_sim.wire import Document
from shared.models.market import Candle, Quote

_VENUE = "V"
_TAPE = "C"
_THREE = Decimal(3)
_SHARES_PER_TRADE = 100


def bar_document(candle: Candle) -> dict[str, Any]:
    """Return a bar; `t` is a datetime, which the encoders write as they must."""
    typical = (candle.high + candle.low + candle.close) / _THREE
    return {
        "t": candle.start,
        "o": float(candle.open),
        "h": float(candle.high),
        "l": float(candle.low),
        "c": float(candle.close),
        "v": candle.volume,
        "n": max(1, candle.volume // _SHARES_PER_TRADE),
        "vw": round(float(typical), 6),
    }


def quote_document(quote: Quote) -> dict[str, Any]:
    """Return a quote."""
    return {
        "t": quote.at,
        "bx": _VENUE,
        "bp": float(quote.bid),
        "bs": quote.bid_size,
        "ax": _VENUE,
        "ap": float(quote.ask),
        "as": quote.ask_size,
        "c": ["R"],
        "z": _TAPE,
    }


def trade_document(price: Decimal, size: int, at: datetime) -> dict[str, Any]:
    """Return a trade; its id follows from its time."""
    return {
        "t": at,
        "x": _VENUE,
        "p": float(price),
        "s": size,
        "c": ["@"],
        "i": int(at.timestamp() * 1_000),
        "z": _TAPE,
    }


def stream_document(event: MarketEvent) -> tuple[str, Document] | None:
    """Return the channel and message of an event; None for what no channel carries."""
    if isinstance(event, BarClosed):
        symbol = event.candle.symbol
        return "bars", {"T": "b", "S": symbol, **bar_document(event.candle)}
    if isinstance(event, QuoteTick):
        return "quotes", {"T": "q", "S": event.quote.symbol, **quote_document(event.quote)}
    if isinstance(event, TradeTick):
        trade = trade_document(event.price, event.size, event.at)
        return "trades", {"T": "t", "S": event.symbol, **trade}
    return None
