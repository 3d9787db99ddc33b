"""The socket of Unusual Whales: join a channel, be told; numbers where REST has strings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from starlette.responses import Response
from starlette.websockets import WebSocket

from services.exchange_sim.http.replies import encode
from services.exchange_sim.http.unusual_whales import WhaleAccess
from services.exchange_sim.market.port import BarClosed, MarketEvent
from services.exchange_sim.stamps import unix_us
from services.exchange_sim.streams.outbox import Outbox
from services.exchange_sim.streams.session import run_session
from services.exchange_sim.unusual_whales.feed import WhaleFeed
from services.exchange_sim.unusual_whales.flow import FlowMinute, minute_end
from services.exchange_sim.unusual_whales.wire import alert_message, print_document
from services.exchange_sim.wire import Document

ALERTS, PRINTS, PRICE = "flow-alerts", "off_lit_trades", "price:"
_UNAUTHORIZED, _FORBIDDEN = 401, 403


class WhaleStream:
    """Every client of /socket."""

    def __init__(self, feed: WhaleFeed, access: WhaleAccess) -> None:
        self._feed = feed
        self._access = access
        self._clients: dict[Outbox, set[str]] = {}

    def publish(self, events: Sequence[MarketEvent]) -> None:
        """Tell what the finished minutes among these events brought."""
        if not any(self._clients.values()):
            return
        for event in events:
            if isinstance(event, BarClosed):
                minute = self._feed.minute(event.candle.symbol, event.candle.start)
                if minute is not None:
                    self._tell(minute)

    def _tell(self, minute: FlowMinute) -> None:
        for channel, document in self._messages(minute):
            frame: bytes | None = None
            for outbox, joined in self._clients.items():
                if channel in joined:
                    frame = frame or encode([channel, document])
                    outbox.put(frame)

    def _messages(self, minute: FlowMinute) -> Iterator[tuple[str, Document]]:
        candle, end = minute.candle, minute_end(minute)
        price = {"close": str(candle.close), "time": unix_us(end) // 1_000}
        yield f"{PRICE}{candle.symbol}", {**price, "vol": candle.volume}
        if minute.dark is not None:
            yield PRINTS, print_document(minute.dark, self._feed.day_volume(minute.dark, end))
        if minute.alert is not None:
            yield ALERTS, alert_message(minute.alert)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client; a wrong token, or a tier without sockets, ends at the handshake."""
        if not self._access.admits(socket.query_params.get("token") or ""):
            await socket.send_denial_response(Response(status_code=_UNAUTHORIZED))
            return
        if not self._access.plan.socket:
            await socket.send_denial_response(Response(status_code=_FORBIDDEN))
            return
        await socket.accept()
        outbox = Outbox()
        self._clients[outbox] = set()

        async def handle(frame: bytes) -> None:
            self._handle(outbox, frame)

        try:
            await run_session(socket, outbox, handle, text=True)
        finally:
            del self._clients[outbox]

    def _handle(self, outbox: Outbox, frame: bytes) -> None:
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError):
            message = None
        words = message if isinstance(message, dict) else {}
        channel, kind = words.get("channel"), words.get("msg_type")
        if not isinstance(channel, str) or kind not in ("join", "leave"):
            outbox.put(_answer(str(channel or ""), "error", "invalid message"))
        elif not self._is_offered(channel):
            outbox.put(_answer(channel, "error", "unmatched topic"))
        else:
            joined = self._clients[outbox]
            (joined.add if kind == "join" else joined.discard)(channel)
            outbox.put(_answer(channel, "ok"))

    def _is_offered(self, channel: str) -> bool:
        if channel.startswith(PRICE):
            return channel.removeprefix(PRICE) in self._feed.symbols
        return channel in (ALERTS, PRINTS)


def _answer(channel: str, status: str, reason: str = "") -> bytes:
    response = {"reason": reason} if reason else {}
    return encode([channel, {"response": response, "status": status}])
