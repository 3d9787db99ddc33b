"""The HTTP door against servers that dribble, stay silent, break off, refuse and redirect."""

from __future__ import annotations

import json
import socket
import threading
import time
from decimal import Decimal
from typing import Any

import pytest
import requests

from shared.clock import SystemClock
from shared.errors import ConfigFault, SystemFault, TransientFault
from shared.resilience.classification import classify_exception
from shared.resilience.classification_rows import Placement
from shared.resilience.deadline_sockets import IDLE_BEFORE_WRITE_S, TCP_USER_TIMEOUT_MS
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor, RateReading, mount
from tests.support.raw_server import RawServer, reply_bytes

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
QUICK = DoorRules(connect_s=0.5, silence_s=0.4, total_s=0.8, reads_per_minute=None)


def door_of(rules: DoorRules = QUICK) -> HttpDoor:
    return HttpDoor(DoorAdapter(rules, CLOCK), {"APCA-API-KEY-ID": "k"})


def dribble(connection: socket.socket, request: bytes) -> None:
    for byte in reply_bytes(b'{"a": 1}' * 50):
        connection.sendall(bytes((byte,)))
        threading.Event().wait(0.05)


def dribble_body(connection: socket.socket, request: bytes) -> None:
    whole = reply_bytes(b'{"a": 1}' * 50)
    connection.sendall(whole[:60])
    for byte in whole[60:]:
        connection.sendall(bytes((byte,)))
        threading.Event().wait(0.05)


def silence(connection: socket.socket, request: bytes) -> None:
    connection.recv(1)


@pytest.mark.parametrize("script", [dribble, dribble_body, silence])
@pytest.mark.parametrize(
    "call", [lambda d, url: d.get_json(url), lambda d, url: d.post_json(url, {"a": 1}, 0.8)]
)
def test_call_when_server_dribbles_then_total_deadline_holds(script: Any, call: Any) -> None:
    """A byte now and then, in the head or in the body, cannot stretch a call past its deadline."""
    with RawServer(script) as server:
        begun = time.monotonic()
        with pytest.raises(TransientFault):
            call(door_of(), server.url)
        assert time.monotonic() - begun < 1.3


def test_post_when_reply_is_lost_then_never_sent_again() -> None:
    """A write that breaks off is unknown, and stays one single request."""
    with RawServer(lambda connection, _: connection.close()) as server:
        session = requests.Session()
        mount(session, DoorAdapter(QUICK, CLOCK))
        for method in ("POST", "PATCH", "DELETE"):
            with pytest.raises(requests.exceptions.RequestException) as caught:
                session.request(method, server.url, json={})
            assert classify_exception(caught.value).placement is Placement.UNKNOWN
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", ["429 Too Many Requests", "504 Gateway Timeout", "503 X"])
def test_post_when_server_is_busy_then_never_sent_again(status: str) -> None:
    """Busy replies, on which the vendor's client would repeat, come back after one request."""
    with RawServer(lambda c, _: c.sendall(reply_bytes(status=status))) as server:
        with pytest.raises(TransientFault):
            door_of().post_json(server.url, {"a": 1}, 0.8)
        assert len(server.requests) == 1


def test_get_when_server_recovers_then_tried_again() -> None:
    """A read is repeated over a reset and a 503, and brings numbers exactly."""
    answers = [None, reply_bytes(status="503 X"), reply_bytes(b'{"price": 10.10}')]

    def script(connection: socket.socket, _: bytes) -> None:
        answer = answers.pop(0)
        if answer is None:
            connection.close()
        else:
            connection.sendall(answer)

    rules = DoorRules(total_s=5, reads_per_minute=None)
    with RawServer(script) as server:
        assert door_of(rules).get_json(server.url) == {"price": Decimal("10.10")}
        assert len(server.requests) == 3


def test_get_when_it_keeps_failing_then_ends_after_three_tries() -> None:
    """The number of tries is bounded, and the last answer decides."""
    rules = DoorRules(total_s=5, reads_per_minute=None)
    with RawServer(lambda c, _: c.sendall(reply_bytes(status="500 X"))) as server:
        with pytest.raises(TransientFault, match="broker_error"):
            door_of(rules).get_json(server.url)
        assert len(server.requests) == 3


def test_get_when_asked_to_wait_past_the_deadline_then_does_not() -> None:
    """Retry-After is honoured only as far as the deadline goes."""
    busy = reply_bytes(status="429 X", headers="Retry-After: 30\r\n")
    with RawServer(lambda c, _: c.sendall(busy)) as server:
        begun = time.monotonic()
        with pytest.raises(TransientFault, match="rate_limited"):
            door_of().get_json(server.url)
        assert time.monotonic() - begun < 0.5
        assert len(server.requests) == 1


def test_get_when_server_refuses_then_not_tried_again() -> None:
    """A refusal is final: once, and of its own family."""
    body = json.dumps({"message": "unauthorized."}).encode()
    with RawServer(lambda c, _: c.sendall(reply_bytes(body, "401 X"))) as server:
        with pytest.raises(ConfigFault):
            door_of().get_json(server.url)
        assert len(server.requests) == 1


def test_call_when_redirected_then_refused_and_keys_stay_home() -> None:
    """A redirect is never followed: the keys stand in the headers."""
    elsewhere: list[bytes] = []
    with RawServer(lambda c, r: c.sendall(reply_bytes())) as other:
        moved = reply_bytes(b"", "301 Moved", f"Location: {other.url}/\r\n")
        with RawServer(lambda c, _: c.sendall(moved)) as server:
            with pytest.raises(ConfigFault, match="redirect"):
                door_of().get_json(server.url)
            with pytest.raises(ConfigFault, match="redirect"):
                door_of().post_json(server.url, {}, 0.8)
        elsewhere += other.requests
    assert elsewhere == []


@pytest.mark.parametrize("body", [b"<html>ok</html>", b"", b'{"a": ', b"\xff\xfe", b"[" * 9_999])
def test_get_when_reply_is_no_json_then_transient(body: bytes) -> None:
    """A page from a middle box passes by itself; it is no word of the broker."""
    with (
        RawServer(lambda c, _: c.sendall(reply_bytes(body))) as server,
        pytest.raises(TransientFault),
    ):
        door_of().get_json(server.url)


def test_get_when_nobody_listens_then_transient_and_not_placed() -> None:
    """A refused connection is known not to have placed anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(TransientFault, match="connection_refused"):
        door_of().get_json(url)
    session = requests.Session()
    mount(session, DoorAdapter(QUICK, CLOCK))
    with pytest.raises(requests.exceptions.ConnectionError) as caught:
        session.post(url)
    assert classify_exception(caught.value).placement is Placement.NOT_PLACED


def test_connect_when_nobody_answers_then_connect_timeout_holds() -> None:
    """A full backlog swallows the handshake; the connect timeout ends the wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        begun = time.monotonic()
        with pytest.raises(SystemFault, match="connect_timeout"):
            door_of().post_json(f"http://127.0.0.1:{address[1]}", {}, 0.8)
        assert time.monotonic() - begun < 1.2
        for filler in fillers:
            filler.close()


def test_connection_when_calls_follow_then_reused_but_not_for_a_late_write() -> None:
    """Connections are kept alive; a write leaves one that idled long enough to be closing."""
    with RawServer(lambda c, _: c.sendall(reply_bytes())) as server:
        door = door_of(DoorRules(reads_per_minute=None))
        for _ in range(3):
            door.get_json(server.url)
        door.post_json(server.url, {}, 5)
        assert server.connections == 1
        pools: Any = door.adapter.poolmanager.pools
        pool = pools[next(iter(pools.keys()))].pool
        connection = pool.get()
        connection._used_at_s -= IDLE_BEFORE_WRITE_S + 1
        option = connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert option == TCP_USER_TIMEOUT_MS
        pool.put(connection)
        door.get_json(server.url)
        assert server.connections == 1
        connection._used_at_s -= IDLE_BEFORE_WRITE_S + 1
        door.post_json(server.url, {}, 5)
        assert server.connections == 2


def test_rate_when_headers_come_then_remembered() -> None:
    """The broker's own word on the budget is kept for whoever shows it."""
    headers = "X-RateLimit-Limit: 200\r\nX-RateLimit-Remaining: 197\r\n"
    with RawServer(lambda c, _: c.sendall(reply_bytes(headers=headers))) as server:
        door = door_of(DoorRules(reads_per_minute=150))
        door.get_json(server.url)
    assert door.adapter.rate == RateReading(200, 197)
