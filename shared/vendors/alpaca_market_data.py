"""Alpaca's market data over REST and over the stream, checked bar by bar and quote by quote."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgpack

from shared.clock import utc_text
from shared.contracts.alpaca_market import (
    BarPage,
    QuoteSet,
    read_bars,
    read_latest_quotes,
    read_stream_item,
)
from shared.contracts.drift import SchemaDrift, picture
from shared.contracts.fields import Fields
from shared.errors import ConfigFault, TransientFault
from shared.models.market import Candle, Quote
from shared.models.shown import shown
from shared.resilience.alongside import address_of
from shared.resilience.http_door import HttpDoor
from shared.telemetry.logs import log_event
from shared.vendors.websocket_link import CONNECTION_LIMIT, ConnectionLimit
from shared.vendors.websocket_opening import Handshake

BARS_PER_PAGE = 10_000
PAGES_MAX = 50
"""Three times what a day of a hundred symbols takes; each page may take a call's whole time."""
MINUTE, DAY = "1Min", "1Day"
LOOK_BACK = timedelta(days=5)
"""Far enough for one full session before any chain of holidays."""

_KEYS_REFUSED = frozenset({"401", "402"})
_NOT_ENTITLED = frozenset({"405", "408", "409"})
"""Codes of the data stream: too many symbols, not enabled, insufficient subscription."""
STRANGERS_TOLD_MAX = 10
HANDSHAKE_MESSAGES_MAX, MISSING_NAMED_MAX = 20, 5
log = logging.getLogger("stream")


class MarketDataRest:
    """Bars and quotes on request. Raises SystemFault when a reply as a whole is unusable."""

    def __init__(self, door: HttpDoor, data_url: str, feed: str | None) -> None:
        self._door = door
        self._base_url = f"{data_url.rstrip('/')}/v2/stocks"
        self._common = {} if feed is None else {"feed": feed}

    def bars(
        self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime
    ) -> BarPage:
        """Return the bars of several symbols from `start` to `end`, both included, all pages.

        They come in the shares of today: yesterday's prices are compared with today's, also on
        the day of a split.
        """
        query, wanted = self._range(symbols, timeframe, start, end), frozenset(symbols)
        candles: list[Candle] = []
        dropped: list[SchemaDrift] = []
        for _ in range(PAGES_MAX):
            page = _asked_for(self._page(query), wanted)
            candles += page.candles
            dropped += page.dropped
            if page.next_page_token is None:
                return BarPage(tuple(candles), tuple(dropped), None)
            query["page_token"] = page.next_page_token
        raise TransientFault("bars: the list cannot be paged to its end")

    def last_bars(self, symbol: str, count: int, end: datetime) -> BarPage:
        """Return the newest `count` one-minute bars of a symbol up to `end`, oldest first, in the
        shares of today.
        """
        query = self._query((symbol,), MINUTE, count)
        query |= {"start": utc_text(end - LOOK_BACK), "end": utc_text(end), "sort": "desc"}
        page = _asked_for(self._page(query), frozenset((symbol,)))
        newest = sorted(page.candles, key=lambda candle: candle.start)[-count:]
        return BarPage(tuple(newest), page.dropped, None)

    def latest_quotes(self, symbols: Sequence[str]) -> QuoteSet:
        """Return the newest quote of each symbol."""
        query = self._newest(symbols)
        return read_latest_quotes(self._door.get_json(f"{self._base_url}/quotes/latest", query))

    def minute_addresses(self, symbols: Sequence[str], minute: datetime) -> tuple[str, str]:
        """Return what `bars` of that one minute and `latest_quotes` will ask for."""
        bars = address_of(f"{self._base_url}/bars", self._range(symbols, MINUTE, minute, minute))
        return bars, address_of(f"{self._base_url}/quotes/latest", self._newest(symbols))

    def _page(self, query: Mapping[str, str]) -> BarPage:
        return read_bars(self._door.get_json(f"{self._base_url}/bars", query))

    def _newest(self, symbols: Sequence[str]) -> dict[str, str]:
        return {**self._common, "symbols": ",".join(symbols)}

    def _range(
        self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime
    ) -> dict[str, str]:
        query = self._query(symbols, timeframe, BARS_PER_PAGE)
        return query | {"start": utc_text(start), "end": utc_text(end)}

    def _query(self, symbols: Sequence[str], timeframe: str, limit: int) -> dict[str, str]:
        return {
            **self._common,
            "symbols": ",".join(symbols),
            "timeframe": timeframe,
            "adjustment": "split",
            "limit": str(limit),
        }


class DataStreamSession:
    """Speaks the data stream (msgpack) over a WebsocketLink and hands on what it brings."""

    name = "market_data"
    headers: Mapping[str, str] = {"Content-Type": "application/msgpack"}

    def __init__(
        self,
        keys: tuple[str, str],
        symbols: Sequence[str],
        on_item: Callable[[Candle | Quote], None],
        on_drop: Callable[[SchemaDrift, str], None],
        silence_s_max: Callable[[], float | None],
    ) -> None:
        self._keys = keys
        self._symbols = list(symbols)
        self._wanted = frozenset(symbols)
        self._on_item = on_item
        self._on_drop = on_drop
        self._silence_s_max = silence_s_max

    def shake_hands(self, connection: Handshake) -> None:
        self._wait_for(connection, "success", "connected")
        key, secret = self._keys
        self._send(connection, {"action": "auth", "key": key, "secret": secret})
        self._wait_for(connection, "success", "authenticated")
        channels = dict.fromkeys(("bars", "updatedBars", "quotes"), self._symbols)
        self._send(connection, {"action": "subscribe", **channels})
        confirmed = self._wait_for(connection, "subscription", None)
        for channel in ("bars", "quotes"):
            told = confirmed.get(channel)
            missing = [
                one for one in self._symbols if not isinstance(told, list) or one not in told
            ]
            if missing:
                # A channel that stays empty looks like a quiet market; REST brings it meanwhile.
                few = ", ".join(missing[:MISSING_NAMED_MAX])
                raise TransientFault(f"the data stream does not confirm {channel} of {few}")

    def take(self, message: str | bytes) -> bool:
        brought = False
        for raw in _unpacked(message):
            try:
                if isinstance(raw, Mapping) and raw.get("T") == "error":
                    raise _refusal(raw)
                item = read_stream_item(raw)
            except SchemaDrift as drift:
                self._on_drop(drift, picture(raw))
                continue
            if item is not None:
                self._on_item(item)
                brought |= item.symbol in self._wanted
        return brought

    def silence_s_max(self) -> float | None:
        return self._silence_s_max()

    def ended(self) -> None:
        """Nothing to undo: the link's own state says that it is down."""

    @staticmethod
    def _send(connection: Handshake, message: dict[str, object]) -> None:
        connection.send(msgpack.packb(message))

    @staticmethod
    def _wait_for(connection: Handshake, kind: str, words: str | None) -> Mapping[str, object]:
        for _ in range(HANDSHAKE_MESSAGES_MAX):
            for raw in _unpacked(connection.recv()):
                fields = Fields(raw, "message")
                if fields.raw.get("T") == "error":
                    raise _refusal(fields.raw)
                if fields.raw.get("T") == kind and words in (None, fields.raw.get("msg")):
                    return fields.raw
        raise TransientFault(f"the data stream never answers with {words or kind}")


def _asked_for(page: BarPage, wanted: frozenset[str]) -> BarPage:
    """Return the page without the bars of symbols that nobody asked for: they would fill a store
    that is bounded per symbol only.
    """
    strangers = sorted({candle.symbol for candle in page.candles} - wanted)
    if not strangers:
        return page
    drifts = (
        SchemaDrift(f"bars.{shown(name)}", "a symbol that was asked for", "its bars")
        for name in strangers[:STRANGERS_TOLD_MAX]
    )
    known = tuple(candle for candle in page.candles if candle.symbol in wanted)
    return BarPage(known, (*page.dropped, *drifts), page.next_page_token)


def _unpacked(message: str | bytes) -> list[Any]:
    if isinstance(message, str):
        raise TransientFault("the data stream sends text where msgpack was agreed")
    try:
        # timestamp=3: nanosecond stamps become timezone-aware datetimes.
        items = msgpack.unpackb(message, timestamp=3)
    except Exception as error:
        raise TransientFault(f"the data stream sends a garbled frame: {error}") from error
    return items if isinstance(items, list) else [items]


def _refusal(raw: Mapping[str, object]) -> ConfigFault | TransientFault:
    """Return what an error message of the stream means; it ends the connection."""
    code, said = str(raw.get("code")), str(raw.get("msg", ""))[:100]
    log_event(log, "stream_error", f"data stream: {said}", level=logging.WARNING, code=code)
    if code in _KEYS_REFUSED:
        return ConfigFault(f"the data stream refuses our keys ({code} {said})")
    if code in _NOT_ENTITLED:
        return ConfigFault(f"the data stream is not ours to use so ({code} {said})")
    if code == CONNECTION_LIMIT:
        return ConnectionLimit(f"the data stream has too many connections of ours ({said})")
    return TransientFault(f"the data stream reports {code} {said}")
