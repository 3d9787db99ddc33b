"""What one client of the data stream says and is answered: keys, subscriptions, limits. Pure.

Codes and words as Alpaca's documents list them: 400 to 410 and 500.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from services.exchange_sim.data_plan import DataPlan
from services.exchange_sim.streams.dialects import Message, control

CHANNELS = (
    "trades",
    "quotes",
    "bars",
    "updatedBars",
    "dailyBars",
    "statuses",
    "lulds",
    "corrections",
    "cancelErrors",
)
EVERYTHING = "*"
_WITH_TRADES = ("corrections", "cancelErrors")
"""Subscribed to together with a symbol's trades."""
_COUNTED = ("trades", "quotes")
"""Where everything at once is more than a limited plan holds; bars of everything are free."""
WORDS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    408: "v2 not enabled",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}
SYMBOLS_MAX = 20_000
"""More than are listed anywhere: one client's subscriptions stay bounded under every plan."""
_NAME_CHARACTERS_MAX = 32
_ENDS = frozenset({404, 406, 407, 408, 409, 500})
"""After these the connection is closed."""


def error(code: int) -> Message:
    """Return the error message of a code."""
    return control({"T": "error", "code": code, "msg": WORDS[code]})


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say, and whether the connection ends after it."""

    message: Message
    ends: bool = False


def refuse(code: int) -> Answer:
    """Return the answer that says an error."""
    return Answer(error(code), ends=code in _ENDS)


class Conversation:
    """One client's state. `admit` judges its keys: None, or the code that refuses them."""

    def __init__(self, plan: DataPlan, admit: Callable[[str, str], int | None]) -> None:
        self._plan = plan
        self._admit = admit
        self.authenticated = False
        self._names: dict[str, set[str]] = {name: set() for name in CHANNELS}

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether the client subscribed to that."""
        names = self._names[channel]
        return symbol in names or EVERYTHING in names

    def greet(self, key: str, secret: str) -> Iterator[Answer]:
        """Return what a new client hears; keys in the handshake's headers count at once."""
        yield Answer(control({"T": "success", "msg": "connected"}))
        if key or secret:
            yield self._authenticate(key, secret)

    def answer(self, message: dict[str, Any] | None) -> Answer:
        """Return the answer to a message, None standing for one that cannot be read."""
        action = None if message is None else message.get("action")
        if message is None:
            return refuse(400)
        if action == "auth":
            return self._authenticate(
                str(message.get("key") or ""), str(message.get("secret") or "")
            )
        if not self.authenticated:
            return refuse(401)
        if action in ("subscribe", "unsubscribe"):
            return self._subscribe(message, add=action == "subscribe")
        return refuse(400)

    def _authenticate(self, key: str, secret: str) -> Answer:
        if self.authenticated:
            return refuse(403)
        code = self._admit(key, secret)
        if code is not None:
            return refuse(code)
        self.authenticated = True
        return Answer(control({"T": "success", "msg": "authenticated"}))

    def _subscribe(self, message: dict[str, Any], *, add: bool) -> Answer:
        names = {channel: set(known) for channel, known in self._names.items()}
        for channel in CHANNELS:
            listed = message.get(channel)
            if listed is None:
                continue
            if not isinstance(listed, list) or not all(map(_is_name, listed)):
                return refuse(400)
            together = (channel, *_WITH_TRADES) if channel == "trades" else (channel,)
            for one in together:
                _change(names[one], {name.upper() for name in listed}, add=add)
        if add and self._is_too_much(names):
            return refuse(405)
        self._names = names
        lists = {channel: sorted(known) for channel, known in names.items()}
        return Answer(control({"T": "subscription", **lists}))

    def _is_too_much(self, names: dict[str, set[str]]) -> bool:
        symbols: set[str] = set().union(*names.values()) - {EVERYTHING}
        most = self._plan.stream_symbols_max
        if most is None:
            return len(symbols) > SYMBOLS_MAX
        if any(EVERYTHING in names[channel] for channel in _COUNTED):
            return True
        return len(symbols) > most


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and len(name) <= _NAME_CHARACTERS_MAX


def _change(known: set[str], names: Iterable[str], *, add: bool) -> None:
    if add:
        known.update(names)
    else:
        known.difference_update(names)
