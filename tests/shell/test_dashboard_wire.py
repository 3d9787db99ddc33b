"""The dashboard under attack on the wire: bytes that lie about where a request ends, and patience.

The whole application serves in this process, over real sockets.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.dashboard_peers import answering_bot, done
from tests.support.dashboard_wire import GREETING, TOKEN, Wire, serving, spoken

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """One server that outlives every attack."""
    with serving(tmp_path_factory.mktemp("wire")) as running:
        yield running
        assert spoken(running, GREETING).startswith(b"HTTP/1.1 200")


HEAD = b"POST /api/unified/pause HTTP/1.1\r\nHost: localhost\r\n"
HIDDEN = (
    b"POST /api/unified/emergency-stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n"
)
HIDDEN += b'{"reason": "sly"}'
SMUGGLING = {
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "no number": HEAD + b"Content-Length: 0x5\r\n\r\nhello",
    "negative": HEAD + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "odd coding": HEAD + b"Transfer-Encoding: cow\r\n\r\n" + HIDDEN,
    "coding twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n" + HIDDEN,
    "bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n" + HIDDEN,
    "folded": HEAD + b"X: a\r\n Content-Length: 5\r\nHost : evil\r\n\r\n" + HIDDEN,
    "no host": b"POST /api/unified/pause HTTP/1.1\r\n\r\n" + HIDDEN,
    "two hosts": HEAD + b"Host: evil.example\r\n\r\n" + HIDDEN,
    "control sign": HEAD + b"X-Word: a\x00b\r\n\r\n" + HIDDEN,
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 80,
    "endless header": HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("raw", SMUGGLING.values(), ids=SMUGGLING)
def test_bytes_when_they_hide_a_second_request_are_refused_whole(wire: Wire, raw: bytes) -> None:
    """What two programs could read in two ways is answered 400 once, and nothing in it is done."""
    heard = spoken(wire, raw)
    assert heard.count(b"HTTP/1.1 ") == 1, heard
    assert heard.startswith(b"HTTP/1.1 400"), heard
    assert not (wire.state / "emergency_stop").exists()


LYING = {
    "length and chunks": (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    ),
    "half line ends": b"Content-Length: 2\n\n{}",
}


@pytest.mark.parametrize("lies", LYING.values(), ids=LYING)
def test_request_when_it_could_be_read_in_two_ways_is_one_all_the_same(
    wire: Wire, lies: bytes
) -> None:
    """As RFC 9112 allows: a length beside chunks hides no other request behind the body."""
    head = HEAD + f"Authorization: Bearer {TOKEN}\r\nConnection: close\r\n".encode()
    with answering_bot(wire.state, done) as seen:
        heard = spoken(wire, head + lies + HIDDEN)
    assert heard.count(b"HTTP/1.1 ") == 1, heard
    assert heard[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 400"), heard
    assert [command.command.value for command in seen] in ([], ["pause"])
    assert not (wire.state / "emergency_stop").exists()


def test_body_when_sent_in_endless_chunks_is_cut_off_at_its_bound(wire: Wire) -> None:
    """Without a length, too, no more than the bound is read."""
    chunk = b"1000\r\n" + b" " * 4_096 + b"\r\n"
    head = HEAD + f"Authorization: Bearer {TOKEN}\r\nConnection: close\r\n".encode()
    heard = spoken(wire, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 6)
    assert heard.startswith(b"HTTP/1.1 413"), heard[:200]


def test_body_when_it_dribbles_is_given_up_and_others_are_served_meanwhile(
    wire: Wire,
) -> None:
    """A hundred slow bodies hold nobody up, and each ends as 408."""
    slow = (
        HEAD + b"Authorization: Bearer a-token-of-ones-own-0123456789\r\nContent-Length: 9\r\n\r\n{"
    )
    peers = [socket.create_connection(("127.0.0.1", wire.port), timeout=10) for _ in range(100)]
    for peer in peers:
        peer.sendall(slow)
    with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as other:
        other.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert other.recv(12) == b"HTTP/1.1 200"
    assert {peer.recv(12) for peer in peers} == {b"HTTP/1.1 408"}
    for peer in peers:
        peer.close()


def test_answers_when_asked_on_one_connection_do_not_wait_for_acknowledgements(
    wire: Wire,
) -> None:
    """Head and body go out at once: a kept connection answers in far less than Linux's 40 ms."""
    ask = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    seconds = []
    with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as peer:
        for _ in range(20):
            began = time.perf_counter()
            peer.sendall(ask)
            heard = b""
            while not heard.endswith(b"ok\n"):
                heard += peer.recv(4_096)
            seconds.append(time.perf_counter() - began)
    assert min(seconds[10:]) < 0.03, seconds
