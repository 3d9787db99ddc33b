"""Handlers that hear what happened, and can break nothing: a fault of theirs stays theirs.

Pure: a handler that fails is told to `report`, and one that fails too often in a row is removed,
which is told too. A handler may add or remove handlers; that takes effect from the next event on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.events.types import Event
from shared.models.trading_state import BotState

FAILURES_MAX = 5
"""Failures in a row after which a handler is removed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One event that changed the state."""

    event: Event
    before: BotState
    after: BotState


Handler = Callable[[Change], object]
Report = Callable[[str], object]
"""Takes a sentence about a handler that failed."""


class EventHandlers:
    """The handlers by name, called in the order in which they were added; one thread uses it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._handlers: dict[str, Handler] = {}
        self._failures: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Who listens, in order."""
        return tuple(self._handlers)

    def add_event_handler(self, name: str, handler: Handler) -> None:
        """Let a handler hear of every change from now on; ValueError for a name that is taken."""
        if name in self._handlers:
            raise ValueError(f"a handler {name!r} listens already")
        self._handlers[name] = handler
        self._failures[name] = 0

    def remove_event_handler(self, name: str) -> bool:
        """Let it hear no more; False when nobody of that name listens."""
        self._failures.pop(name, None)
        return self._handlers.pop(name, None) is not None

    def tell(self, change: Change) -> None:
        """Tell every handler; never raises what a handler raises."""
        for name, handler in tuple(self._handlers.items()):
            try:
                handler(change)
            except (Exception, SystemExit) as failure:  # a listener must never stop an exit
                self._failed(name, change, failure)
            else:
                if name in self._failures:
                    self._failures[name] = 0

    def _failed(self, name: str, change: Change, failure: BaseException) -> None:
        kind = type(change.event).__name__
        words = f"the handler {name!r} failed at {kind}: {_told(failure)}"
        if name in self._failures:
            self._failures[name] += 1
            if self._failures[name] >= FAILURES_MAX:
                self.remove_event_handler(name)
                words += f"; removed after {FAILURES_MAX} failures in a row"
        self._report(words)


def _told(failure: BaseException) -> str:
    """Return kind and message; a message that itself fails is left out."""
    try:
        return f"{type(failure).__name__}: {failure}"
    except Exception:
        return type(failure).__name__
