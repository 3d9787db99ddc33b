"""What happens in one history, as frozen values. Pure; `drawing` draws them from a seed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from math import inf

SYMBOLS = ("AAPL", "MSFT")
SIGNAL_LIFE_S = 12.0
"""Market seconds for which the strategy wishes the same entry."""
SIGNALS_APART_S = 32


class KillKind(StrEnum):
    """Where a life of the bot is ended by SIGKILL, or not at all."""

    NONE = "none"
    """Lives until the history's active part ends."""
    FILE_CALL = "file_call"
    """Before the Nth call of the file port under state and journal."""
    FILE_STEP = "file_step"
    """Before the Nth call of the file port within one run of a named function."""
    CODE_CALL = "code_call"
    """At the Nth call of a function of ours."""
    LANDMARK = "landmark"
    """At the call of, or the return from, a named step of the order path, the Nth time."""
    REQUEST_LOST = "request_lost"
    """The Nth request never arrives."""
    REQUEST_LATE = "request_late"
    """The Nth request arrives after the death: the kernel still delivers."""
    REQUEST_BOOKED = "request_booked"
    """The Nth request is carried out, its reply is never read."""
    MOMENT = "moment"
    """While the bot waits, at a moment of market time."""


@dataclass(frozen=True, slots=True)
class Kill:
    """How one life ends. `at` counts calls or requests; for MOMENT it is market seconds."""

    kind: KillKind
    at: int = 0
    landmark: str = ""
    """A function of ours, or, at requests, the one kind that counts (request_kinds.py)."""
    writes_only: bool = False
    """Whether only requests that change something are counted."""
    times: int = 1
    """For FILE_STEP: which run of the function, the first being 1."""


@dataclass(frozen=True, slots=True)
class DiskTrouble:
    """From the Nth file call on, the disk refuses so many calls with this error number."""

    at: int
    calls: int
    code: int


@dataclass(frozen=True, slots=True)
class Life:
    """One process of the bot."""

    kill: Kill
    dead_s: float
    """Market seconds from its death to the next start."""
    disk: DiskTrouble | None = None


class WireKind(StrEnum):
    """What befalls one request and its reply."""

    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    LATE = "late"
    SILENT_AFTER = "silent_after"
    """Carried out; nothing comes back for five seconds, then the connection breaks."""
    SLOW = "slow"
    GATEWAY_TIMEOUT = "gateway_timeout"
    """Carried out, and answered 504 by something in between."""
    REFUSED_BEFORE = "refused_before"
    """503 before anything was done."""
    SERVER_ERROR_AFTER = "server_error_after"
    TOO_MANY = "too_many"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    EMPTY = "empty"
    """Carried out and answered 200 without a body."""
    DOUBLED = "doubled"
    """A gateway sends the request twice and hands on the second answer."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What befalls one kind of request by plan, whatever the dice say."""

    what: str
    """The kind of request (request_kinds.py)."""
    kind: WireKind
    from_s: float = 0.0
    until_s: float = inf
    """Market seconds since the beginning."""
    times: int | None = None
    """How many of them, None for each."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How the connection behaves: chances per request, for reads and for writes."""

    read_rate: float
    write_rate: float
    kinds: tuple[WireKind, ...]
    outages: tuple[tuple[float, float], ...]
    """Market seconds since the beginning: from, and for how long, nothing is reachable."""
    hint_rate: float
    """Chance that a stream event is lost, doubled or held back."""
    stream_gaps: tuple[tuple[float, float], ...]
    strikes: tuple[Strike, ...] = ()
    quiet_s: float = 0.0
    """Market seconds in the beginning in which nothing but the strikes befalls a request."""


@dataclass(frozen=True, slots=True)
class Order:
    """One word of the operator at a moment (market seconds since the beginning), or one trade of a
    person with keys of the same account.
    """

    at_s: float
    word: str
    symbol: str = ""
    qty: int = 0
    """Shares that the person buys."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One decision of the scripted strategy."""

    at_s: int
    symbol: str
    stop_cents: int
    target_cents: int
    leave_after_s: int | None
    """Market seconds after which the strategy wants to leave, None to wait for stop or target."""


@dataclass(frozen=True, slots=True)
class Phase:
    """How a symbol's price moves from a second on: cents per step, and one jump before."""

    from_s: int
    drift_cents: int
    noise_cents: int
    jump_cents: int


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is decided beforehand."""

    seed: int
    active_s: int
    """Market seconds in which things happen; then comes the calm ending."""
    session_left_s: int | None
    """Market seconds to the session's close, None for hours."""
    start_prices: tuple[Decimal, ...]
    phases: tuple[tuple[Phase, ...], ...]
    """For each symbol."""
    wishes: tuple[Wish, ...]
    orders: tuple[Order, ...]
    lives: tuple[Life, ...]
    wire: Wire
    switches: tuple[str, ...]
    """Of the exchange, NAME=VALUE."""
    aged_records: int
    """Journal records from an earlier time: near 200 of them the journal is compacted."""
    trails: bool
    """Whether the strategy has exit rules: its stops follow, its positions end by time."""
    adopts: bool
    """Whether the bot gives a person's shares a stop (ADOPT_EXTERNAL)."""
    is_metered: bool
    """Whether the bot's own ceiling of reads per minute holds, as it does in live trading."""

    def lines(self) -> list[str]:
        """Return the history as a person reads it."""
        found = []
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, tuple) and value and not isinstance(value[0], str | Decimal):
                found += [f"{item.name}: {one}" for one in value]
            else:
                found.append(f"{item.name}: {value}")
        return found
