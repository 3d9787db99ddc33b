"""The body of a reply, read whole within bounds, or refused as none.

A server may send for as long as the deadline lasts, and a kilobyte may unpack to a gigabyte: what
is larger than any page of a vendor is given up. What is no HTTP at all, or cannot be told to
belong to the request, is garbled: for a write that means unknown, never refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from requests.exceptions import InvalidHeader, ReadTimeout, RequestException

from shared.errors import SystemFault
from shared.resilience.deadline_sockets import current_deadline

BODY_BYTES_MAX = 16 * 2**20
"""Unpacked; many times the largest page that we ask for."""
_PART_BYTES = 2**16
_STATUSES = range(200, 600)


class OversizedReply(RequestException):
    """The body is larger than anything that we ask for."""


class GarbledReply(RequestException):
    """What came is no reply: a status that HTTP does not have, lengths that contradict."""


@contextmanager
def made_of_a_reply() -> Iterator[None]:
    """Raise GarbledReply for what a library makes of a reply that it cannot read: a header of his
    is no header of ours that must not be sent, and a wrong length no wrong value of a contract.
    """
    try:
        yield
    except InvalidHeader as odd:
        # Ours were looked at when the request was prepared; by now it has been sent.
        raise GarbledReply(f"the reply's headers contradict each other: {odd}") from odd
    except (RequestException, SystemFault):
        raise
    except Exception as odd:
        raise GarbledReply(f"the reply cannot be read: {type(odd).__name__}: {odd}") from odd


def whole(reply: requests.Response) -> requests.Response:
    """Return the reply with its body read and, since the vendors speak nothing else, taken for
    UTF-8 whatever its headers say: guessing takes seconds, and a header may name any decoder.

    Raises requests' exceptions, OversizedReply and GarbledReply among them.
    """
    reply.encoding = "utf-8"
    if reply.status_code not in _STATUSES:
        reply.close()
        raise GarbledReply(f"a reply cannot have the status {reply.status_code}")
    parts: list[bytes] = []
    left = BODY_BYTES_MAX
    for part in reply.iter_content(_PART_BYTES):
        left -= len(part)
        if left < 0:
            reply.close()
            raise OversizedReply(f"the reply is larger than {BODY_BYTES_MAX} bytes")
        if current_deadline().left_s <= 0:
            reply.close()
            raise ReadTimeout("the reply was not whole within the call's deadline")
        parts.append(part)
    reply._content = b"".join(parts)
    return reply


def is_hollow(reply: requests.Response) -> bool:
    """Whether a read succeeded in nothing: empty, or a page. That is a gateway's word, since every
    read has content; the vendor's client would make it look like a changed contract.
    """
    if reply.request.method != "GET" or not 200 <= reply.status_code < 300:
        return False
    content = reply.content.strip()
    return not content or content.startswith(b"<")
