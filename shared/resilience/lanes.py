"""Three lanes out: reads, orders that add risk, and what protects, reduces or cancels.

Each lane has a budget and a breaker of its own, so that data never delays an order and no entry
takes the place of an exit. The lane belongs to the calling thread, as the deadline does: a
vendor's client knows neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Lane(StrEnum):
    """Which way a request goes out."""

    READ = "read"
    ENTRY = "entry"
    SAFETY = "safety"


SAFE_VERBS = frozenset({"GET", "HEAD", "OPTIONS"})


class _Chosen(threading.local):
    lane: Lane | None = None
    recheck: Callable[[], None] | None = None


_chosen = _Chosen()


@contextmanager
def in_lane(lane: Lane, may_still_go: Callable[[], None] | None = None) -> Iterator[None]:
    """Send the writes of this thread over that lane, over safety's its reads, too.

    `may_still_go` is asked at the last moment, after every wait of the door, and raises a
    SystemFault when the write must stay home.
    """
    before = _chosen.lane, _chosen.recheck
    _chosen.lane, _chosen.recheck = lane, may_still_go
    try:
        yield
    finally:
        _chosen.lane, _chosen.recheck = before


def lane_of(method: str | None) -> Lane:
    """Return the lane of a request: reads have theirs, unless protection waits for what they say; a
    write that nobody named is safety's, because what is not known to add risk is never held back.
    """
    if method in SAFE_VERBS:
        return Lane.SAFETY if _chosen.lane is Lane.SAFETY else Lane.READ
    return _chosen.lane or Lane.SAFETY


def recheck() -> None:
    """Ask whether the request of this thread may still go; raises what the asked one raises."""
    if _chosen.recheck is not None:
        _chosen.recheck()
