"""The places of the trading stream: how many connections it bears, and the dead ones it counts."""

from __future__ import annotations

import json
import socket as plain_socket
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.exchange_process import CALL_S, ExchangeProcess, wait_until

pytestmark = pytest.mark.integration

ONE_PLACE = {"trading_streams_max": 1, "zombie_s": 3600}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("places")) as process:
        yield process


@pytest.fixture
def exchange(process: ExchangeProcess) -> Iterator[ExchangeProcess]:
    """One place for each pair of keys, and none of them taken for ever."""
    assert process.call("PATCH", "/sim/switches", json=ONE_PLACE).status_code == 200
    yield process
    off = {"trading_streams_max": 0, "zombie_s": 0}
    assert process.call("PATCH", "/sim/switches", json=off).status_code == 200


def opened(exchange: ExchangeProcess) -> ClientConnection:
    """Return a new line to the stream."""
    return connect(f"ws://127.0.0.1:{exchange.port}/stream")


def asked(stream: ClientConnection, key: str) -> object:
    """Authenticate and return the answer's status, or its error code."""
    stream.send(json.dumps({"action": "auth", "key": key, "secret": "secret"}))
    data = json.loads(stream.recv(CALL_S))["data"]
    return data.get("status") or data["code"]


def code_for(exchange: ExchangeProcess, key: str) -> object:
    """Return what one more connection hears; a refused one is closed behind it."""
    with opened(exchange) as stream:
        answer = asked(stream, key)
        if answer == 406:
            with pytest.raises(ConnectionClosed):
                stream.recv(CALL_S)
        return answer


def test_trading_stream_when_its_place_is_taken_then_406_until_it_is_left(
    exchange: ExchangeProcess,
) -> None:
    """Keys have their places apart; asking twice on one line costs nothing; a farewell frees."""
    with opened(exchange) as first:
        assert (asked(first, "one"), asked(first, "one")) == ("authorized", "authorized")
        assert code_for(exchange, "one") == 406
        assert code_for(exchange, "two") == "authorized"
    wait_until(lambda: code_for(exchange, "one") == "authorized")


def test_trading_stream_when_its_line_was_cut_then_the_dead_one_keeps_its_place(
    exchange: ExchangeProcess,
) -> None:
    """A quick reconnect meets 406 for the zombie's time, and gets in once that is over."""
    with opened(exchange) as cut:
        assert asked(cut, "three") == "authorized"
        cut.socket.shutdown(plain_socket.SHUT_RDWR)
    assert code_for(exchange, "three") == 406

    exchange.call("PATCH", "/sim/switches", json={"zombie_s": 0.05})
    with opened(exchange) as again:
        # A place that was kept for an hour stays; one kept for a moment is free after it.
        assert asked(again, "four") == "authorized"
        again.socket.shutdown(plain_socket.SHUT_RDWR)
    wait_until(lambda: code_for(exchange, "four") == "authorized")
    assert code_for(exchange, "three") == 406


def test_trading_stream_when_no_limit_is_set_then_everybody_comes_in(
    process: ExchangeProcess,
) -> None:
    """The default: no drill pays for a switch that it did not set."""
    with opened(process) as first, opened(process) as second:
        assert asked(first, "five") == asked(second, "five") == "authorized"
