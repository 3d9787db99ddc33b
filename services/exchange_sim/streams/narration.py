"""What the data stream tells of the market's events, message by message. Pure but for its memory.

Now and then a trade is told wrongly first, as real tapes do: with a wrong condition, corrected when
its minute ends, or twice, the second one cancelled then. Bars and history never held the mistake.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from services.exchange_sim.market.history import traded
from services.exchange_sim.market.port import (
    ONE_DAY,
    BarClosed,
    BarOpened,
    BarQuery,
    Market,
    MarketEvent,
    QuoteTick,
    TickQuery,
    TradedBar,
    TradeTick,
)
from services.exchange_sim.streams.dialects import Message
from services.exchange_sim.wire import Document
from services.exchange_sim.wire_market import (
    band_document,
    bar_document,
    cancel_document,
    correction_document,
    doubled_trade,
    quote_document,
    status_document,
    trade_document,
    trade_id,
)

Wants = Callable[[str, str], bool]
"""Channel and symbol → whether any client subscribed to it."""

_MISTAKES_AMONG = 512
_MISTOLD, _DOUBLED = 0, 1
_INSTANT = timedelta(microseconds=1)
_TYPES = {
    "trades": "t",
    "quotes": "q",
    "bars": "b",
    "updatedBars": "u",
    "dailyBars": "d",
    "statuses": "s",
    "lulds": "l",
    "corrections": "c",
    "cancelErrors": "x",
}


def _message(channel: str, symbol: str, document: Document) -> Message:
    return Message(channel, symbol, {"T": _TYPES[channel], "S": symbol, **document})


def _mistake(trade: TradeTick) -> int | None:
    """Return how the trade is told wrongly first, None for nearly all."""
    number = zlib.crc32(f"{trade.symbol}|{trade_id(trade)}|told".encode()) % _MISTAKES_AMONG
    return number if number in (_MISTOLD, _DOUBLED) else None


def trade_messages(trade: TradeTick) -> Iterator[Message]:
    """Return how a trade is told when it happens."""
    document = trade_document(trade)
    mistake = _mistake(trade)
    if mistake == _MISTOLD:
        document["c"] = correction_document(trade, trade.at)["oc"]
    yield _message("trades", trade.symbol, document)
    if mistake == _DOUBLED:
        yield _message("trades", trade.symbol, doubled_trade(trade))


def mending_messages(trades: Iterable[TradeTick], at: datetime) -> Iterator[Message]:
    """Return what mends the mistakes in telling these trades."""
    for trade in trades:
        mistake = _mistake(trade)
        if mistake == _MISTOLD:
            yield _message("corrections", trade.symbol, correction_document(trade, at))
        elif mistake == _DOUBLED:
            yield _message("cancelErrors", trade.symbol, cancel_document(trade, at))


class Narrator:
    """Turns events into messages, leaving out what nobody wants."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._told: dict[str, datetime] = {}
        """When the newest trade happened that was an event of its own, by symbol."""
        self._halted: frozenset[str] = frozenset()

    def halts(self, halted: frozenset[str], at: datetime) -> list[Message]:
        """Return the statuses of symbols that were halted or resumed since the last look."""
        changed = sorted(halted ^ self._halted)
        self._halted = halted
        return [
            _message("statuses", symbol, status_document(symbol, at, halted=symbol in halted))
            for symbol in changed
        ]

    def tell(self, events: Iterable[MarketEvent], wants: Wants) -> list[Message]:
        """Return the messages of these events; a halted symbol has none."""
        messages: list[Message] = []
        for event in events:
            messages.extend(self._of(event, wants))
        return [message for message in messages if message.symbol not in self._halted]

    def _of(self, event: MarketEvent, wants: Wants) -> Iterator[Message]:
        if isinstance(event, QuoteTick):
            symbol = event.quote.symbol
            if wants("quotes", symbol):
                yield _message("quotes", symbol, quote_document(event.quote))
        elif isinstance(event, TradeTick):
            self._told[event.symbol] = event.at
            if wants("trades", event.symbol):
                yield from trade_messages(event)
        elif isinstance(event, BarOpened):
            self._told[event.symbol] = event.at
            if wants("trades", event.symbol):
                for trade in self._trades(event.symbol, event.at, event.at):
                    yield from trade_messages(trade)
        elif isinstance(event, BarClosed):
            yield from self._closed(event, wants)

    def _trades(self, symbol: str, start: datetime, end: datetime) -> tuple[TradeTick, ...]:
        return self._market.trades(TickQuery(symbol, start, end, end + _INSTANT))

    def _closed(self, event: BarClosed, wants: Wants) -> Iterator[Message]:
        candle, symbol = event.candle, event.candle.symbol
        bar = traded(candle)
        mended: list[Message] = []
        if any(wants(channel, symbol) for channel in ("trades", "corrections", "updatedBars")):
            trades = self._trades(symbol, candle.start, event.at - _INSTANT)
            told = self._told.get(symbol, candle.start - _INSTANT)
            for trade in trades:
                if trade.at > told:
                    yield from trade_messages(trade)
            mended = list(mending_messages(trades, event.at))
            yield from mended
        yield _message("bars", symbol, bar_document(bar))
        if mended:
            yield _message("updatedBars", symbol, bar_document(bar))
        if wants("dailyBars", symbol):
            yield from self._day(symbol, event.at)
        if wants("lulds", symbol):
            yield _message("lulds", symbol, band_document(bar, event.at))

    def _day(self, symbol: str, at: datetime) -> Iterator[Message]:
        start = at - timedelta(days=1) - _INSTANT
        query = BarQuery(symbol, start, at - _INSTANT, ONE_DAY, at, 1, True)
        bars: tuple[TradedBar, ...] = self._market.traded_bars(query)
        for bar in bars:
            yield _message("dailyBars", symbol, bar_document(bar))
