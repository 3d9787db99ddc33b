"""What a hostile vendor may answer over HTTP, byte by byte, beyond the faults of exchange-sim."""

from __future__ import annotations

import gzip
import json
import random
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.support.alpaca_payloads import raw_account
from tests.support.raw_server import Script, reply_bytes

ACCOUNT = json.dumps(raw_account()).encode()
MEBIBYTE = 2**20
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def saying(whole: bytes) -> Script:
    """Answer with these bytes and close, so that nothing is waited for."""

    def script(connection: socket.socket, _: bytes) -> None:
        with suppress(OSError):
            connection.sendall(whole)
            connection.shutdown(socket.SHUT_WR)

    return script


def flooding(head: bytes, again: bytes) -> Script:
    """Answer with a head, and then with the same bytes until nobody listens any more."""
    many = again * max(1, 2**16 // len(again))

    def script(connection: socket.socket, _: bytes) -> None:
        with suppress(OSError):
            connection.sendall(head)
            while True:
                connection.sendall(many)

    return script


def breaking_off(part: bytes) -> Script:
    """Answer with a part and reset the connection."""

    def script(connection: socket.socket, _: bytes) -> None:
        connection.sendall(part)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return script


def encoded(body: bytes, encoding: str) -> bytes:
    """Return a whole reply whose body is said to be encoded so."""
    return reply_bytes(body, headers=f"Content-Encoding: {encoding}\r\n")


def bomb(mebibytes: int) -> bytes:
    """Return a small gzip body that unpacks to so many mebibytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MEBIBYTE)
    return b"".join([*(packer.compress(zeros) for _ in range(mebibytes)), packer.flush()])


def _head(status: str = "200 OK", *lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *lines, "")).encode("latin-1")


def no_http() -> Iterator[tuple[str, Callable[[], Script]]]:
    """Yield what is no readable reply, by name: whoever gets it knows nothing of what became of his
    request, and it passes by itself.
    """
    yield "chunks without end", lambda: flooding(_CHUNKED, b"4\r\n    \r\n")
    yield "chunk line without end", lambda: flooding(_CHUNKED + b"4;", b"x")
    yield "trailers without end", lambda: flooding(_CHUNKED + b"0\r\n", b"X: y\r\n")
    yield "chunk of negative size", lambda: saying(_CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n")
    yield "chunk of no size", lambda: saying(_CHUNKED + b"zebra\r\nhello\r\n")
    yield "body without end", lambda: flooding(_head(), b" ")
    yield "longer than said", lambda: saying(_head("200 OK", "Content-Length: 5") + ACCOUNT)
    yield "shorter than said", lambda: saying(_head("200 OK", "Content-Length: 9999") + ACCOUNT)
    yield (
        "two lengths",
        lambda: saying(
            _head("200 OK", f"Content-Length: {len(ACCOUNT)}", "Content-Length: 3") + ACCOUNT
        ),
    )
    yield "gzip bomb", lambda: saying(encoded(bomb(24), "gzip"))
    yield "bomb in a bomb", lambda: saying(encoded(gzip.compress(bomb(24)), "gzip, gzip"))
    yield "many encodings", lambda: saying(encoded(ACCOUNT, ", ".join(["gzip"] * 40)))
    yield "not the encoding said", lambda: saying(encoded(ACCOUNT, "gzip"))
    yield "unknown encoding", lambda: saying(encoded(b"\x93\x01\x02\x03", "br"))
    yield "continue without end", lambda: flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    yield "early hints and no more", lambda: saying(_head("103 Early Hints", "Link: x") + ACCOUNT)
    yield "header of a mebibyte", lambda: saying(_head("200 OK", "X-Pad: " + "x" * MEBIBYTE))
    yield "ten thousand headers", lambda: saying(_head("200 OK", *["X-Pad: x"] * 10_000))
    yield "header without end", lambda: flooding(b"HTTP/1.1 200 OK\r\nX-Pad: ", b"x")
    yield "no status", lambda: saying(b"HELLO THERE\r\n\r\n" + ACCOUNT)
    yield "no head", lambda: saying(ACCOUNT)
    yield "status below all", lambda: saying(reply_bytes(ACCOUNT, "99 Odd"))
    yield "status beyond all", lambda: saying(reply_bytes(ACCOUNT, "777 Odd"))
    yield "status with four digits", lambda: saying(reply_bytes(ACCOUNT, "2000 OK"))
    yield "reset in the head", lambda: breaking_off(b"HTTP/1.1 200 OK\r\nContent-Le")
    yield "reset in the body", lambda: breaking_off(reply_bytes(ACCOUNT)[:-9])
    yield "HTTP/1.0, cut", lambda: saying(b"HTTP/1.0 200 OK\r\n\r\n" + ACCOUNT[:-9])
    yield "NUL bytes", lambda: saying(reply_bytes(bytes(64)))
    yield "half of UTF-16", lambda: saying(reply_bytes(ACCOUNT.decode().encode("utf-16")[:-1]))
    yield "nested too deep", lambda: saying(reply_bytes(b'{"a":' * 99_999))
    yield "another reply's end", lambda: saying(reply_bytes(ACCOUNT[7:]))


def odd_but_whole() -> Iterator[tuple[str, bytes]]:
    """Yield replies that are odd, and hold the whole account all the same."""
    yield "HTTP/1.0 without a length", b"HTTP/1.0 200 OK\r\n\r\n" + ACCOUNT
    yield "gzip", encoded(gzip.compress(ACCOUNT), "gzip")
    yield "deflate", encoded(zlib.compress(ACCOUNT), "deflate")
    yield "continue, then the reply", b"HTTP/1.1 100 Continue\r\n\r\n" + reply_bytes(ACCOUNT)
    yield "status 201", reply_bytes(ACCOUNT, "201 Created")
    yield "charset with NUL", reply_bytes(ACCOUNT, headers="Content-Type: a; charset=\0\r\n")
    yield "charset of no text", reply_bytes(ACCOUNT, headers="Content-Type: a; charset=hex\r\n")
    yield "date of another century", reply_bytes(ACCOUNT, headers="Date: Mon, 01 Jan 1900\r\n")
    yield "same length twice", reply_bytes(ACCOUNT, headers=f"Content-Length: {len(ACCOUNT)}\r\n")
    yield "header of another time", reply_bytes(ACCOUNT, headers="X-Pad: a\r\n b\r\n")
    lying = "X-RateLimit-Limit: -5\r\nX-RateLimit-Remaining: 1e9\r\nX-RateLimit-Reset: never\r\n"
    yield "budget of nonsense", reply_bytes(ACCOUNT, headers=lying)
    vast = "".join(f"X-RateLimit-{name}: 999999999999999\r\n" for name in ("Limit", "Remaining"))
    yield "budget without end", reply_bytes(ACCOUNT, headers=vast)


_PIECES = (
    b"\r\n", b"\n", b"\0", b":", b"-", b"\xff", b"gzip", b"chunked", b"0", b"9" * 20, b"1e400",
    b"NaN", b"{", b"]", b'"', b"null", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"Content-Encoding: gzip\r\n",
    b"\xed\xa0\x80", b"\\ud800",
)  # fmt: skip


def spoilt(reply: bytes, chance: random.Random) -> bytes:
    """Return a reply with a few bytes changed, cut out, repeated or put in, by chance."""
    made = bytearray(reply)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(made) + 1)
        until = at + chance.randint(0, 12)
        match chance.randrange(4):
            case 0:
                made[at:until] = chance.choice(_PIECES)
            case 1:
                del made[at:until]
            case 2:
                made[at:at] = bytes(made[at:until]) * chance.randint(1, 50)
            case _:
                made[at : at + 1] = bytes((chance.randrange(256),))
    return bytes(made)


ODD_WAITS = (
    "315360000",
    "-5",
    "0",
    "1e3",
    "9" * 5_000,
    "٣",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2026 00:00:00 +99999999999999",
    "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
    "soon",
    "",
)
"""Pauses that a reply may ask for in Retry-After."""

NUMBERS = (
    "1e400",
    "1e1000000",
    "1e9999999999999999999999",
    "1e-400",
    "-1e-9999999999999999999999",
    "-0",
    "-0.0",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 5_000,
    "0." + "3" * 5_000,
    '"NaN"',
    "1" + "0" * 400,
)
"""Numbers that no market has, as JSON writes them or nearly so."""
