"""Streams whose opening goes wrong in every way: nobody is followed, nothing hangs, keys stay."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import msgpack
import pytest
from websockets.sync.server import ServerConnection

from shared.clock import SystemClock
from shared.vendors.websocket_opening import Handshake, connected_socket, open_websocket
from tests.support.hostile_streams import WAIT_S, Data, answering, trades_at
from tests.support.raw_server import RawServer, Script
from tests.support.stream_server import StreamServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[StreamServer]:
    with StreamServer() as running:
        yield running


@pytest.mark.parametrize("place", ["{other}", "http://evil.test/", "file:///etc/passwd", "/v2/sip"])
@pytest.mark.parametrize("status", ["301 X", "302 X", "307 X", "308 X"])
def test_streams_when_redirected_then_nobody_follows_and_the_keys_stay(
    server: StreamServer, place: str, status: str
) -> None:
    """The library would go there and say our keys: neither stream does, not even on one host."""
    where = place.format(other=server.data_url)
    head = f"HTTP/1.1 {status}\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
    with RawServer(lambda c, _: c.sendall(head)) as moved:
        url = moved.url.replace("http", "ws", 1)
        with Data(f"{url}/v2/iex") as data, trades_at(f"{url}/stream") as trades:
            wait_until(lambda: "redirect" in data.link.state.reason, WAIT_S)
            wait_until(lambda: "redirect" in trades.state.reason, WAIT_S)
        assert server.attempts == 0
        assert all(b"sip" not in request.split(b"\r\n")[0] for request in moved.requests)


def _never(_: socket.socket, __: bytes) -> None:
    """Say nothing."""


def _dribbling(connection: socket.socket, _: bytes) -> None:
    for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 12:
        connection.sendall(bytes((byte,)))
        threading.Event().wait(0.02)


OPENINGS: dict[str, Script] = {
    "silence": _never,
    "dribble": _dribbling,
    "a header of a mebibyte": lambda c, _: c.sendall(b"HTTP/1.1 101 X\r\nA: " + b"x" * 2**20),
    "no HTTP": lambda c, _: c.sendall(b"\x00\xff" * 9_999 + b"\r\n\r\n"),
    "no upgrade": lambda c, _: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "a wrong accept": lambda c, _: c.sendall(
        b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: bm90IHRoZSBhbnN3ZXI=\r\n\r\n"
    ),
    "an end": lambda c, _: c.close(),
}


@pytest.mark.parametrize("name", OPENINGS)
def test_stream_when_its_opening_is_no_opening_then_stopped_at_once_and_never_live(
    name: str,
) -> None:
    """Whatever stands at the address, the link says that it is not live and ends when asked."""
    with RawServer(OPENINGS[name]) as server:
        url = server.url.replace("http", "ws", 1)
        with Data(url) as data, trades_at(url) as trades:
            wait_until(lambda: len(server.requests) >= 2, WAIT_S)
            assert not data.link.is_live
            assert not trades.listening


def test_handshake_when_answers_never_fit_then_ended_within_one_limit(server: StreamServer) -> None:
    """One odd frame every few seconds cannot hold the stream for as often as many limits."""

    class Rushed(SystemClock):
        """A clock by which each look is four seconds later."""

        looks = 0

        def monotonic_s(self) -> float:
            self.looks += 1
            return 4.0 * self.looks

    def chat(connection: ServerConnection) -> None:
        for _ in range(100):
            connection.send(msgpack.packb([{"T": "chat"}]))

    with (
        answering(chat) as url,
        open_websocket(url, connected_socket(url, 20.0), {}, (10.0, 20.0)) as connection,
    ):
        hands = Handshake(connection, Rushed())
        hands.recv()
        hands.recv()
        with pytest.raises(TimeoutError, match="not shaken within 10 s"):
            hands.recv()


@pytest.mark.parametrize("said", [{"bars": []}, {"quotes": ["OTHER"]}, {"bars": None}, {"bars": 7}])
def test_data_stream_when_a_channel_is_not_confirmed_then_it_is_not_live(
    server: StreamServer, said: dict[str, object]
) -> None:
    """A subscription that leaves a channel out would look like a quiet market."""
    server.unconfirmed = said
    with Data(server.data_url) as data:
        wait_until(lambda: "does not confirm" in data.link.state.reason, WAIT_S)
        assert data.link.connections == 0
        server.unconfirmed = {}
        wait_until(lambda: data.link.is_live, WAIT_S)
