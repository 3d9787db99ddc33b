"""The head of a request on its way through the gateway. Pure."""

from __future__ import annotations

_REFUSED_BODY = b'{"message": "forbidden."}'
REFUSED = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_REFUSED_BODY), _REFUSED_BODY)
)
"""What a broker says that does not take the keys."""


def passed_on(head: bytes, host: str) -> bytes:
    """Return the head for the real host; one request a connection, unless it opens a stream.

    Raises ValueError when it is no head of a request.
    """
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if not first.endswith((b" HTTP/1.1", b" HTTP/1.0")):
        raise ValueError("no HTTP request")
    is_stream = any(
        name.strip().lower() == b"upgrade"
        for name, _, _ in (line.partition(b":") for line in lines)
    )
    dropped = {b"host"} if is_stream else {b"host", b"connection"}
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in dropped]
    more = [] if is_stream else [b"Connection: close"]
    return b"\r\n".join([first, b"Host: " + host.encode(), *more, *kept]) + b"\r\n\r\n"
