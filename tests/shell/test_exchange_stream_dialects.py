"""The trading stream of a real exchange-sim in every dialect of its clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.support.exchange_faults import RawClient
from tests.support.exchange_process import CALL_S, ExchangeProcess, wait_until

pytestmark = pytest.mark.integration


LIMIT = {"symbol": "BAC", "qty": 1, "side": "buy", "type": "limit", "limit_price": 1}
LIMIT |= {"time_in_force": "gtc"}


PAIR = ("--key-id", "AK", "--secret-key", "SK")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("open")) as process:
        yield process


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("guarded"), *PAIR) as process:
        yield process


@pytest.mark.parametrize("path", ["/stream", "/stream/", "/stream?x=1"])
@pytest.mark.parametrize(
    "words",
    [
        {"action": "auth", "key": "AK", "secret": "SK"},
        {"action": "authenticate", "data": {"key_id": "AK", "secret_key": "SK"}},
        {"action": "authenticate", "data": {"oauth_token": "SK"}},
        {"action": "auth", "key": "AK", "secret": "SK", "made_up": 1, "data": None},
    ],
)
def test_trading_stream_when_authenticated_in_any_dialect_then_it_listens(
    guarded: ExchangeProcess, path: str, words: dict[str, Any]
) -> None:
    """Both actions and a token, both paths, text and binary frames, doubled listening."""
    listen = json.dumps({"action": "listen", "data": {"streams": ["trade_updates"], "x": 1}})
    name = f"dialect-{abs(hash((path, str(words))))}"
    with connect(f"ws://127.0.0.1:{guarded.port}{path}") as stream:
        stream.send(json.dumps(words))
        first = stream.recv(CALL_S)
        stream.send(listen.encode())
        second = stream.recv(CALL_S)
        stream.send(listen)
        third = stream.recv(CALL_S)
        body = LIMIT | {"client_order_id": name}
        keys = {"APCA-API-KEY-ID": "AK", "APCA-API-SECRET-KEY": "SK"}
        assert guarded.call("POST", "/v2/orders", json=body, headers=keys).status_code == 200
        fourth = json.loads(stream.recv(CALL_S))
        with pytest.raises(TimeoutError):
            stream.recv(0.3)

    assert isinstance(first, bytes)  # the real server puts JSON in binary frames
    assert json.loads(first)["data"] == {"status": "authorized", "action": words["action"]}
    assert json.loads(second) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    assert third == second
    assert (fourth["data"]["event"], fourth["data"]["order"]["client_order_id"]) == ("new", name)


@pytest.mark.parametrize(
    "words",
    [
        {"action": "auth", "key": "AK", "secret": "no"},
        {"action": "auth", "key": "oauth", "secret": "AK"},
        {"action": "authenticate", "data": {}},
        {"action": "authenticate", "data": {"key_id": ["AK"], "secret_key": {"a": 1}}},
    ],
)
def test_trading_stream_when_the_keys_are_wrong_then_unauthorized_and_deaf(
    guarded: ExchangeProcess, words: dict[str, Any]
) -> None:
    """The socket stays open, and listening is refused."""
    with connect(f"ws://127.0.0.1:{guarded.port}/stream") as stream:
        stream.send(json.dumps(words))
        assert json.loads(stream.recv(CALL_S))["data"]["status"] == "unauthorized"
        stream.send('{"action":"listen","data":{"streams":["trade_updates"]}}')
        assert json.loads(stream.recv(CALL_S))["data"]["status"] == "unauthorized"


def test_stream_when_frames_are_compressed_and_fragmented_then_they_are_understood(
    exchange: ExchangeProcess,
) -> None:
    """permessage-deflate is agreed on; a message in many fragments is one message."""
    auth = json.dumps({"action": "auth", "key": "k", "secret": "s", "padding": "x" * 100_000})
    pieces = [auth[first : first + 1_000] for first in range(0, len(auth), 1_000)]
    for compression in ("deflate", None):
        url = f"ws://127.0.0.1:{exchange.port}/stream"
        with connect(url, compression=compression) as stream:
            assert stream.response is not None
            agreed = stream.response.headers.get("Sec-WebSocket-Extensions", "")
            assert ("permessage-deflate" in agreed) is (compression is not None)
            stream.send(pieces)
            assert json.loads(stream.recv(CALL_S))["data"]["status"] == "authorized"
            stream.send([b'{"action":"listen",', b'"data":{"streams":', b'["trade_updates"]}}'])
            assert json.loads(stream.recv(CALL_S))["stream"] == "listening"
            assert stream.ping().wait(CALL_S)


@pytest.mark.parametrize("frame", ["{", "[]", b"\xff\xfe", "null", '{"action":"dance"}', ""])
def test_stream_when_a_message_makes_no_sense_then_it_says_so_and_goes_on(
    exchange: ExchangeProcess, frame: str | bytes
) -> None:
    """A bad message is answered, not punished."""
    with connect(f"ws://127.0.0.1:{exchange.port}/stream") as stream:
        stream.send(frame)
        assert json.loads(stream.recv(CALL_S))["stream"] == "error"
        stream.send(json.dumps({"action": "auth", "key": "k", "secret": "s"}))
        assert json.loads(stream.recv(CALL_S))["data"]["status"] == "authorized"


def test_stream_when_a_client_vanishes_then_the_others_hear_on(
    exchange: ExchangeProcess,
) -> None:
    """A reset in the middle of things is one client's own affair."""
    with connect(f"ws://127.0.0.1:{exchange.port}/stream") as stream:
        for text in (
            {"action": "auth", "key": "k", "secret": "s"},
            {"action": "listen", "data": {"streams": ["trade_updates"]}},
        ):
            stream.send(json.dumps(text))
            stream.recv(CALL_S)
        for _ in range(5):
            with RawClient(exchange) as other:
                other.send(
                    b"GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                )
                other.read_until(b"101 Switching")
        order = exchange.call("POST", "/v2/orders", json=LIMIT).json()["id"]
        wait_until(lambda: json.loads(stream.recv(CALL_S))["data"]["order"]["id"] == order)
