"""The dashboard's server with real sockets: who asks nothing does not keep a place."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.dashboard.listen import StoppableServer, open_listener
from services.dashboard.service import server_config
from tests.support.dashboard import until

pytestmark = pytest.mark.integration

KEEP_ALIVE_S = 1


async def _answer(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _stream(_request: Request) -> StreamingResponse:
    async def words() -> object:
        yield b"first"
        await asyncio.sleep(KEEP_ALIVE_S * 3.5)
        yield b"last"

    return StreamingResponse(words())  # type: ignore[arg-type]  # an async generator of bytes


async def _flood(_request: Request) -> StreamingResponse:
    async def much() -> object:
        for _ in range(200):
            yield b"x" * 1_000_000
            await asyncio.sleep(0)

    return StreamingResponse(much())  # type: ignore[arg-type]  # an async generator of bytes


async def _broken(request: Request) -> StreamingResponse:
    """As a stream whose peer takes nothing: it ends in the middle, with much unsent."""
    answer = await _flood(request)
    return _Cut(answer.body_iterator)


class _Cut(StreamingResponse):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(super().__call__(scope, receive, send), 0.5)
        except TimeoutError:
            return


@contextmanager
def _serving() -> Iterator[tuple[int, StoppableServer]]:
    app = Starlette(routes=[Route("/", _answer), Route("/stream", _stream), Route("/cut", _broken)])
    config = server_config(app)
    config.timeout_keep_alive = KEEP_ALIVE_S
    stop = threading.Event()
    server = StoppableServer(config, stop, lambda: None)
    listener = open_listener("127.0.0.1", iter([0]))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        until(lambda: server.started, "the server did not start")
        yield int(listener.getsockname()[1]), server
    finally:
        stop.set()
        thread.join(timeout=10)
        listener.close()


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_connection_when_it_never_finishes_a_request_is_closed(beginning: bytes) -> None:
    """Silence, or half a request, ends after two looks."""
    with _serving() as (port, _), socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(beginning)
        assert peer.recv(100) == b""


def test_connection_when_an_answer_takes_long_stays_open() -> None:
    """A stream under way is no idle connection."""
    with _serving() as (port, _), socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        seen = b""
        while b"last" not in seen:
            piece = peer.recv(1_000)
            assert piece, "closed in the middle of an answer"
            seen += piece


def test_connection_when_a_next_request_dribbles_is_closed() -> None:
    """The first answer buys no endless second request."""
    with _serving() as (port, _), socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.recv(1_000).startswith(b"HTTP/1.1 200")
        peer.sendall(b"GET /")
        while peer.recv(1_000):
            pass


def test_connection_when_its_peer_never_reads_keeps_no_place() -> None:
    """What is still to be sent to a peer that takes nothing is given up."""
    with _serving() as (port, server), socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        peer.connect(("127.0.0.1", port))
        peer.sendall(b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: bool(server.server_state.connections), "no connection was made")
        until(lambda: not server.server_state.connections, "the connection is still there")
