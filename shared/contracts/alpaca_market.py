"""What Alpaca's market data promises: bars and quotes, over REST and over the stream.

A broken bar or quote is dropped and reported, never fatal: the next one comes in a moment. Only
a reply whose frame is broken (no `bars`, not an object) raises SchemaDrift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.drift import SchemaDrift, broken
from shared.contracts.fields import Fields, as_list
from shared.models.market import Candle, Quote


@dataclass(frozen=True, slots=True)
class BarPage:
    """One page of bars: the good ones, the drifts of the bad ones, and how to go on."""

    candles: tuple[Candle, ...]
    dropped: tuple[SchemaDrift, ...]
    next_page_token: str | None


@dataclass(frozen=True, slots=True)
class QuoteSet:
    """The latest quotes: the good ones and the drifts of the bad ones."""

    quotes: tuple[Quote, ...]
    dropped: tuple[SchemaDrift, ...]


def read_bar(raw: object, symbol: str, path: str = "bar") -> Candle:
    """Return one bar (`t o h l c v`); prices must be above 0 and lie within low and high."""
    fields = Fields(raw, path)
    start = fields.moment("t")
    volume = fields.number("v")
    opened, high, low, close = (fields.number(name) for name in ("o", "h", "l", "c"))
    try:
        return Candle(symbol, start, opened, high, low, close, int(volume))
    except ValueError as error:
        raise broken(path, f"a bar that fits together: {error}", raw) from None


def read_quote(raw: object, symbol: str, path: str = "quote") -> Quote:
    """Return one quote (`t bp ap bs as`); a zero side passes, a crossed one does not."""
    fields = Fields(raw, path)
    try:
        return Quote(
            symbol,
            fields.moment("t"),
            bid=fields.number("bp"),
            ask=fields.number("ap"),
            bid_size=int(fields.number("bs")),
            ask_size=int(fields.number("as")),
        )
    except ValueError as error:
        raise broken(path, f"a quote that fits together: {error}", raw) from None


def read_bars(raw: object) -> BarPage:
    """Return a page of GET /v2/stocks/bars: `{"bars": {symbol: [...]}, "next_page_token"}`."""
    frame = Fields(raw, "reply")
    by_symbol = frame.raw.get("bars")
    if not isinstance(by_symbol, Mapping):
        raise frame.drift("bars", "an object keyed by symbol")
    candles: list[Candle] = []
    dropped: list[SchemaDrift] = []
    for symbol, rows in by_symbol.items():
        for index, row in enumerate(as_list(rows, f"bars.{symbol}")):
            try:
                candles.append(read_bar(row, symbol, f"bars.{symbol}[{index}]"))
            except SchemaDrift as drift:
                dropped.append(drift)
    return BarPage(tuple(candles), tuple(dropped), frame.optional_text("next_page_token"))


def read_latest_quotes(raw: object) -> QuoteSet:
    """Return the reply of GET /v2/stocks/quotes/latest: `{"quotes": {symbol: {...}}}`."""
    frame = Fields(raw, "reply")
    by_symbol = frame.raw.get("quotes")
    if not isinstance(by_symbol, Mapping):
        raise frame.drift("quotes", "an object keyed by symbol")
    quotes: list[Quote] = []
    dropped: list[SchemaDrift] = []
    for symbol, row in by_symbol.items():
        try:
            quotes.append(read_quote(row, symbol, f"quotes.{symbol}"))
        except SchemaDrift as drift:
            dropped.append(drift)
    return QuoteSet(tuple(quotes), tuple(dropped))


def read_stream_item(raw: object) -> Candle | Quote | None:
    """Return the bar (`T` b or u) or quote (q) of one stream message, None for other kinds."""
    fields = Fields(raw, "message")
    kind = fields.raw.get("T")
    if kind in ("b", "u"):
        return read_bar(raw, fields.text("S"), f"message.{kind}")
    if kind == "q":
        return read_quote(raw, fields.text("S"), "message.q")
    if not isinstance(kind, str):
        raise fields.drift("T", "a kind of message")
    return None
