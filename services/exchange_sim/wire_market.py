"""Alpaca's shapes of bars, quotes, trades and what happens to them, for REST and stream. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from services.exchange_sim.market.port import TradedBar, TradeTick
from services.exchange_sim.stamps import tick_stamp, unix_us, whole_stamp
from services.exchange_sim.wire import Document
from shared.models.market import Quote
from shared.models.numbers import CENT

_VENUE = "V"
_TAPE = "C"
_AVERAGE_DIGITS = Decimal("0.000001")
_REGULAR, _EXTENDED, _ODD_LOT = "@", "T", "I"
"""A trade in extended hours is told as one of Form T, as Alpaca tells it."""
_ROUND_LOT = 100
_BAND = Decimal("0.05")
"""Limit up, limit down: five percent around the reference, as for the large names."""


def bar_document(bar: TradedBar) -> Document:
    """Return a bar; n and vw follow from its trades."""
    candle = bar.candle
    return {
        "t": whole_stamp(candle.start),
        "o": float(candle.open),
        "h": float(candle.high),
        "l": float(candle.low),
        "c": float(candle.close),
        "v": candle.volume,
        "n": bar.trades,
        "vw": float(bar.average_price.quantize(_AVERAGE_DIGITS)),
    }


def quote_document(quote: Quote) -> Document:
    """Return a quote."""
    return {
        "t": tick_stamp(quote.symbol, quote.at),
        "bx": _VENUE,
        "bp": float(quote.bid),
        "bs": quote.bid_size,
        "ax": _VENUE,
        "ap": float(quote.ask),
        "as": quote.ask_size,
        "c": ["R"],
        "z": _TAPE,
    }


def trade_id(trade: TradeTick) -> int:
    """Return the trade's number, unique within its symbol: milliseconds since 1970."""
    return unix_us(trade.at) // 1_000


def _conditions(trade: TradeTick) -> list[str]:
    conditions = [_REGULAR, _EXTENDED] if trade.extended else [_REGULAR]
    return conditions if trade.size >= _ROUND_LOT else [*conditions, _ODD_LOT]


def trade_document(trade: TradeTick) -> Document:
    """Return a trade."""
    return {
        "t": tick_stamp(trade.symbol, trade.at),
        "x": _VENUE,
        "p": float(trade.price),
        "s": trade.size,
        "c": _conditions(trade),
        "i": trade_id(trade),
        "z": _TAPE,
    }


def correction_document(trade: TradeTick, at: datetime) -> Document:
    """Return the correction of a trade that was first told with the odd-lot condition wrong."""
    correct = _conditions(trade)
    wrong = correct[:-1] if correct[-1] == _ODD_LOT else [*correct, _ODD_LOT]
    return {
        "t": tick_stamp(trade.symbol, at),
        "x": _VENUE,
        "oi": trade_id(trade),
        "op": float(trade.price),
        "os": trade.size,
        "oc": wrong,
        "ci": trade_id(trade) + 1,
        "cp": float(trade.price),
        "cs": trade.size,
        "cc": correct,
        "z": _TAPE,
    }


def doubled_trade(trade: TradeTick) -> Document:
    """Return the same trade told once more under another number, by mistake."""
    return {**trade_document(trade), "i": trade_id(trade) + 2}


def cancel_document(trade: TradeTick, at: datetime) -> Document:
    """Return the cancellation of that mistake."""
    return {
        "t": tick_stamp(trade.symbol, at),
        "x": _VENUE,
        "i": trade_id(trade) + 2,
        "p": float(trade.price),
        "s": trade.size,
        "a": "C",
        "z": _TAPE,
    }


def status_document(symbol: str, at: datetime, *, halted: bool) -> Document:
    """Return the trading status of a symbol, in the codes of tape C."""
    code, word = ("H", "Trading Halt") if halted else ("T", "Trading Resumption")
    reason, why = ("T1", "Halt News Pending") if halted else ("", "")
    return {
        "t": tick_stamp(symbol, at),
        "sc": code,
        "sm": word,
        "rc": reason,
        "rm": why,
        "z": _TAPE,
    }


def band_document(bar: TradedBar, at: datetime) -> Document:
    """Return the limit-up limit-down band around a bar's average price."""
    reference = bar.average_price
    upper, lower = reference * (1 + _BAND), reference * (1 - _BAND)
    return {
        "t": tick_stamp(bar.candle.symbol, at),
        "u": float(upper.quantize(CENT, ROUND_HALF_EVEN)),
        "d": float(lower.quantize(CENT, ROUND_HALF_EVEN)),
        "i": "B",
        "z": _TAPE,
    }
