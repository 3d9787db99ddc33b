"""Replies that came beside another one, kept until the read that they answer.

Only a lock-step replay brings any: between two reports its exchange stands still, so that what it
says beside the minute is, to the byte, what it would say to each read a moment later. Each reply
serves once, a write lets all of them go, and what is not here is asked for as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

ADDRESSES_KEPT = 256
_PLAIN = (str, int, float)


@dataclass(frozen=True, slots=True)
class Told:
    """What an address answers to a GET."""

    address: str
    """The whole address, query included, as it would be asked."""
    status: int
    headers: Mapping[str, str]
    body: str


def _nothing() -> tuple[str, ...]:
    return ()


def _nowhere() -> None:
    """There is nobody who tells several things at once."""


class Alongside:
    """The replies of one process. One thread makes both the reports and the reads."""

    def __init__(self) -> None:
        self.wanted: Callable[[], Sequence[str]] = _nothing
        """Returns the addresses that will be read next; who guesses wrong only gains nothing."""
        self.renew: Callable[[], None] = _nowhere
        """Asks for what is wanted once more within a minute. Never raises."""
        self._told: dict[str, Told] = {}

    @property
    def addresses(self) -> frozenset[str]:
        """Addresses whose replies wait for their read."""
        return frozenset(self._told)

    def put(self, told: Iterable[Told]) -> None:
        """Keep these replies instead of all earlier ones."""
        self._told = {one.address: one for one in told}

    def take(self, request: requests.PreparedRequest) -> requests.Response | None:
        """Return the reply to a read, once; None when it has to be asked. After a write nothing
        that was told before counts.
        """
        if request.method != "GET":
            self._told = {}
            return None
        told = self._told.pop(request.url or "", None)
        return None if told is None else _response(told, request)


def address_of(url: str, query: Mapping[str, object] | None = None) -> str:
    """Return the address that requests makes of a URL and its query; raises as it does."""
    pairs = tuple((query or {}).items())
    if not all(isinstance(value, _PLAIN) for _, value in pairs):
        return _made_by_requests(url, pairs)
    return _address(url, tuple((name, str(value)) for name, value in pairs))


def _made_by_requests(url: str, query: Iterable[tuple[str, object]]) -> str:
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, list(query))
    return prepared.url or url


_address = lru_cache(maxsize=ADDRESSES_KEPT)(_made_by_requests)


def _response(told: Told, request: requests.PreparedRequest) -> requests.Response:
    made = requests.Response()
    made.status_code = told.status
    made.headers = CaseInsensitiveDict(told.headers)
    made.encoding = get_encoding_from_headers(made.headers)
    made.url = told.address
    made.request = request
    made._content = told.body.encode()
    return made
