"""What a question may not do to the process that asks it: copy, replace or signal it.

A copy would be a second bot under the same lock, on the same connections and in the same files.
Python tells of these deeds before they are done, unless they are done from inside C.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_DEEDS = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "signal.pthread_kill"}
)


class Forbidden(BaseException):
    """Such a deed was tried; no `except Exception` of a strategy may swallow it."""


class _Watch:
    """The one hook of this process: there is no way to take one away again."""

    def __init__(self) -> None:
        self.is_installed = self.is_on = False

    def heard(self, event: str, _: object) -> None:
        if self.is_on and event in _DEEDS:
            raise Forbidden(f"{event} is not for strategies")


_WATCH = _Watch()


@contextmanager
def forbidding() -> Iterator[None]:
    """Refuse these deeds while this block runs; whoever tries meets Forbidden."""
    if not _WATCH.is_installed:
        _WATCH.is_installed = True
        sys.addaudithook(_WATCH.heard)
    _WATCH.is_on = True
    try:
        yield
    finally:
        _WATCH.is_on = False
