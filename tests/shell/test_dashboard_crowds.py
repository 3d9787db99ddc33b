"""The dashboard among crowds: whoever asks nothing, half, or again and again keeps nobody out."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from services.dashboard.listen import BACKLOG
from services.dashboard.patience import PLACES, SPARE_PLACES
from tests.support.dashboard import until
from tests.support.dashboard_peers import answering_bot, done
from tests.support.dashboard_wire import GREETING, Wire, serving, spoken

pytestmark = pytest.mark.integration

FEW = 40
STOP = b"POST /api/unified/emergency-stop HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = STOP + b'Connection: close\r\nContent-Length: 17\r\n\r\n{"reason": "sly"}'
ASK = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
LISTEN = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A server with forty places, patient with bodies."""
    with serving(tmp_path_factory.mktemp("narrow"), 30.0, FEW) as wire:
        yield wire


@contextmanager
def crowd(wire: Wire, count: int, first_words: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that say this and nothing more."""
    with ExitStack() as stack:
        peers = []
        for _ in range(count):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", wire.port), 10))
            peer.sendall(first_words)
            peers.append(peer)
        yield peers
    until(lambda: not wire.server.server_state.connections, "places are still taken")


@pytest.mark.parametrize(
    "first_words",
    [b"", b"GET / HTTP/1.1\r\nX: ", ASK, STOP + b"Content-Length: 99\r\n\r\n{"],
    ids=["silent", "half a head", "one answer", "half a body"],
)
def test_crowd_when_it_takes_every_place_then_the_operator_still_gets_one(
    narrow: Wire, first_words: bytes
) -> None:
    """Five times as many as there are places, none of them done: a page and a stop go through, and
    no more are held than there are places.
    """
    with crowd(narrow, 5 * FEW, first_words), answering_bot(narrow.state, done):
        assert spoken(narrow, GREETING).startswith(b"HTTP/1.1 200")
        assert spoken(narrow, WHOLE).startswith(b"HTTP/1.1 200")
        held = narrow.server.server_state.connections
        until(lambda: len(held) <= FEW, "more are held than there are places")
    (narrow.state / "emergency_stop").unlink()


def test_crowd_when_all_are_being_served_then_the_new_one_goes(narrow: Wire) -> None:
    """Nobody who listens to a stream is thrown out for one who comes later."""
    with crowd(narrow, FEW, LISTEN) as streams:
        until(lambda: narrow.hub.listeners == FEW, "not all are listening")
        with socket.create_connection(("127.0.0.1", narrow.port), 10) as late:
            late.settimeout(5)
            assert late.recv(1) == b""
        assert narrow.hub.listeners == FEW
        assert all(peer.recv(12) == b"HTTP/1.1 200" for peer in streams)
    until(lambda: narrow.hub.listeners == 0, "streams outlive their peers")


def test_places_leave_descriptors_for_reading_what_the_page_shows() -> None:
    """All places and a whole backlog at once fit into the 1024 descriptors that a process usually
    has, with a hundred left for the files of state and logs.
    """
    most = PLACES + SPARE_PLACES + BACKLOG
    assert most + 100 <= 1_024


def test_peer_when_it_closes_its_half_is_obeyed_and_keeps_no_place(narrow: Wire) -> None:
    """`printf ... | nc -N`: what was asked wholly is done; what was not is forgotten."""
    with answering_bot(narrow.state, done) as seen:
        for words in (WHOLE, STOP, ASK[:20], b""):
            with socket.create_connection(("127.0.0.1", narrow.port), 10) as peer:
                peer.sendall(words)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4_096):
                    pass
        until(lambda: bool(seen), "the stop was not carried out")
        until(lambda: not narrow.server.server_state.tasks, "a request of nobody goes on")
    until(lambda: not narrow.server.server_state.connections, "a half-open peer keeps its place")
    (narrow.state / "emergency_stop").unlink()


def test_requests_when_a_hundred_come_in_one_breath_are_answered_in_turn(narrow: Wire) -> None:
    """Pipelined, the last one says goodbye; none is lost, none answered twice."""
    heard = spoken(narrow, ASK * 99 + GREETING)
    assert heard.count(b"HTTP/1.1 200 ") == 100
    assert heard.count(b"ok\n") == 100


def test_streams_when_opened_and_torn_down_in_a_storm_leave_nothing_behind(narrow: Wire) -> None:
    """A page that reconnects without end, each time by a reset, costs no place of a stream."""
    reset = struct.pack("ii", 1, 0)
    for _ in range(8 * FEW):
        with socket.create_connection(("127.0.0.1", narrow.port), 10) as peer:
            peer.sendall(LISTEN)
            assert peer.recv(12) in (b"HTTP/1.1 200", b"")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    until(lambda: narrow.hub.listeners == 0, "streams outlive their peers")
    assert spoken(narrow, GREETING).startswith(b"HTTP/1.1 200")
