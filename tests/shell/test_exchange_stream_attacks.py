"""Stream clients that mean harm, or are broken: the exchange stays small and answers the others."""

from __future__ import annotations

import contextlib
import json
import socket as plain_socket
import struct
import time
import zlib
from collections.abc import Iterator

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from services.exchange_sim.streams.session import FRAME_BYTES_MAX
from tests.support.exchange_process import HEADERS, ExchangeProcess

pytestmark = pytest.mark.integration
WAIT_S = 20
MIB = 2**20
KEYS = ("--key-id", HEADERS["APCA-API-KEY-ID"], "--secret-key", HEADERS["APCA-API-SECRET-KEY"])
HANDSHAKE = (
    b"GET /v2/iex HTTP/1.1\r\nHost: exchange\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n"
)
DOORS = ("/v2/iex", "/stream", "/socket?token=t")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange"), *KEYS) as process:
        yield process


def _is_quick(exchange: ExchangeProcess) -> bool:
    begun = time.monotonic()
    assert exchange.call("GET", "/v2/clock").status_code == 200
    return time.monotonic() - begun < 1


def _memory_mib(exchange: ExchangeProcess) -> float:
    return float(psutil.Process(exchange.pid).memory_info().rss / MIB)


@pytest.mark.parametrize("door", DOORS)
def test_message_when_it_is_too_long_then_the_connection_ends_with_1009(
    exchange: ExchangeProcess, door: str
) -> None:
    """Nobody waits for a huge text to be read."""
    with connect(f"ws://127.0.0.1:{exchange.port}{door}") as socket:
        with contextlib.suppress(ConnectionClosed):
            socket.send("[" * (FRAME_BYTES_MAX + 1))
            while True:
                socket.recv(WAIT_S)  # a greeting may come before the end
        assert socket.close_code == 1009
    assert _is_quick(exchange)


def test_frames_when_each_unpacks_to_far_more_then_memory_stays(exchange: ExchangeProcess) -> None:
    """Sixteen kilobytes that would become fifteen megabytes, many in one breath."""
    packer = zlib.compressobj(9, wbits=-12)
    packed = packer.compress(b"[" * (15 * MIB)) + packer.flush(zlib.Z_SYNC_FLUSH)
    packed = packed[:-4]
    frame = bytes([0xC1, 0x80 | 126]) + struct.pack("!H", len(packed)) + bytes(4) + packed
    before = _memory_mib(exchange)
    with plain_socket.create_connection(("127.0.0.1", exchange.port), timeout=WAIT_S) as line:
        line.sendall(HANDSHAKE)
        assert b" 101 " in line.recv(4_096)
        try:
            for _ in range(40):
                line.sendall(frame)
            while line.recv(65_536):
                pass
        except ConnectionError:
            pass  # sent away in the middle of a frame
    assert _memory_mib(exchange) - before < 50
    assert _is_quick(exchange)


@pytest.mark.parametrize(
    ("door", "refused"), [("/v2/iex", "auth failed"), ("/stream", "unauthorized")]
)
def test_key_when_it_is_half_a_character_then_is_refused_like_any_other(
    exchange: ExchangeProcess, door: str, refused: str
) -> None:
    """Half a surrogate pair has no bytes; the connection hears the refusal and lives on."""
    with connect(f"ws://127.0.0.1:{exchange.port}{door}") as socket:
        for _ in range(2):
            socket.send('{"action":"auth","key":"\\ud800","secret":"\\udfff"}')
            heard = socket.recv(WAIT_S)
            while b"connected" in (heard if isinstance(heard, bytes) else heard.encode()):
                heard = socket.recv(WAIT_S)
            assert refused in str(json.loads(heard))


def test_subscriptions_when_they_never_end_then_405(exchange: ExchangeProcess) -> None:
    """One client cannot fill the memory with names, however many messages it takes."""
    headers = dict(HEADERS)
    with connect(f"ws://127.0.0.1:{exchange.port}/v2/iex", additional_headers=headers) as socket:
        codes = set()
        for block in range(3):
            names = [f"S{block}X{number}" for number in range(9_000)]
            socket.send(json.dumps({"action": "subscribe", "bars": names}))
        for _ in range(5):
            codes.add(json.loads(socket.recv(WAIT_S))[0].get("code"))
        assert codes == {None, 405}
    assert _is_quick(exchange)
