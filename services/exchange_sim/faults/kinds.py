"""The catalogue: every fault that the exchange can show, and what may be said about it. Pure.

Each is seen in the wild (reference: what the simulator should offer). A fault acts at one stage
of a request's or a stream's life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

Value = str | int | float


class Stage(StrEnum):
    """Where a fault acts."""

    LISTEN = "listen"
    """The listening socket."""
    INSTEAD = "instead"
    """Answers in place of the exchange: nothing was processed."""
    AFTER = "after"
    """The request was processed; its reply suffers."""
    SHAPE = "shape"
    """The words of a reply or of a stream message."""
    HANDSHAKE = "handshake"
    """The opening of a stream."""
    SESSION = "session"
    """An open stream as a whole."""
    EVENTS = "events"
    """Single messages of a stream."""
    BOOK = "book"
    """What the exchange does with an accepted request."""
    MARKET = "market"
    """Prices and trading of a symbol."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: words to choose from, a number within bounds, or free text."""

    default: Value | None = None
    """None: must be said, or may stay unsaid when `optional`."""
    choices: tuple[Value, ...] = ()
    least: float | None = None
    most: float | None = None
    optional: bool = False

    @property
    def is_number(self) -> bool:
        """Whether a number belongs here."""
        return self.least is not None


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the catalogue."""

    stage: Stage
    does: str
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    needs: tuple[str, ...] = ()
    """Words of the scope that must be said."""
    allows: tuple[str, ...] = ("process", "dialect", "endpoint", "method", "symbol")
    """Words of the scope that mean something."""
    lasting: bool = False
    """Acts through its whole lease: neither a chance nor a count means anything."""
    once: bool = False
    """Acts a single time, and cannot be taken back."""


_PATH = Parameter()
_STREAM = ("process", "dialect", "symbol")
_SECONDS_MAX = 86_400.0

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "refuse_connection": Kind(
            Stage.LISTEN,
            "the port refuses connections and the open ones are reset",
            allows=(),
            lasting=True,
        ),
        "silence": Kind(Stage.INSTEAD, "the request is taken and never answered"),
        "reset": Kind(Stage.INSTEAD, "the connection is reset before the request is processed"),
        "rate_limited": Kind(
            Stage.INSTEAD,
            "429, with Retry-After when retry_after_s is said",
            {"retry_after_s": Parameter(least=0, most=_SECONDS_MAX, optional=True)},
        ),
        "refused_keys": Kind(
            Stage.INSTEAD,
            "401 or 403 without code; a stream says that the keys are wrong",
            {"status": Parameter(401, choices=(401, 403))},
        ),
        "server_error": Kind(
            Stage.INSTEAD,
            "500, 502, 503 or 504 with a JSON, HTML or empty body",
            {
                "status": Parameter(502, choices=(500, 502, 503, 504)),
                "form": Parameter("html", choices=("json", "html", "empty")),
            },
        ),
        "odd_reply": Kind(
            Stage.INSTEAD,
            "200 whose body is HTML, null, empty, or another container",
            {"form": Parameter("html", choices=("html", "null", "empty", "list", "object"))},
        ),
        "moved": Kind(Stage.INSTEAD, "301 with an empty body"),
        "reply_lost": Kind(
            Stage.AFTER,
            "the request is processed and its reply lost",
            {"how": Parameter("reset", choices=("reset", "504"))},
        ),
        "reset_mid_body": Kind(Stage.AFTER, "the connection is reset in the middle of the body"),
        "truncated": Kind(Stage.AFTER, "the body ends in the middle, the connection is closed"),
        "dribble": Kind(
            Stage.AFTER,
            "the body comes one byte at a time",
            {"pause_s": Parameter(1.0, least=0.001, most=60)},
        ),
        "slow_reply": Kind(
            Stage.AFTER,
            "the request is processed and its reply comes late",
            {"delay_s": Parameter(2.0, least=0.001, most=600)},
        ),
        "refused_rows": Kind(
            Stage.BOOK,
            "rows of a 207 are refused, and so not carried out",
            {"status": Parameter(403, choices=(403, 422, 500))},
            allows=("symbol",),
        ),
        "stuck_pending_cancel": Kind(
            Stage.BOOK, "cancelled orders stay pending_cancel", allows=(), lasting=True
        ),
        "field_removed": Kind(Stage.SHAPE, "a field is missing", {"path": _PATH}),
        "field_retyped": Kind(
            Stage.SHAPE,
            "a field has another type",
            {
                "path": _PATH,
                "to": Parameter(
                    "number", choices=("number", "string", "null", "list", "object", "boolean")
                ),
            },
        ),
        "field_renamed": Kind(
            Stage.SHAPE, "a field has another name", {"path": _PATH, "to": Parameter()}
        ),
        "unknown_word": Kind(
            Stage.SHAPE,
            "a field holds a word that nobody knows",
            {"path": _PATH, "word": Parameter("unheard_of")},
        ),
        "clock_skew": Kind(
            Stage.SHAPE,
            "the broker's clock is off",
            {"seconds": Parameter(least=-_SECONDS_MAX, most=_SECONDS_MAX)},
            allows=("process",),
        ),
        "stale_quotes": Kind(
            Stage.SHAPE,
            "quotes are so old",
            {"age_s": Parameter(600.0, least=1, most=_SECONDS_MAX)},
        ),
        "zero_quotes": Kind(Stage.SHAPE, "bid, ask and sizes of quotes are zero"),
        "connection_limit": Kind(
            Stage.HANDSHAKE, "406 connection limit exceeded, then the end", allows=_STREAM
        ),
        "handshake_refused": Kind(
            Stage.HANDSHAKE,
            "the opening of a stream is answered with an HTTP status",
            {"status": Parameter(429, choices=(401, 403, 429, 500, 502, 503, 504))},
            allows=_STREAM,
        ),
        "stream_mute": Kind(
            Stage.SESSION,
            "nothing but pings and answers comes",
            allows=("process", "dialect"),
            lasting=True,
        ),
        "half_open": Kind(
            Stage.SESSION,
            "the socket stands and nothing passes either way, pings neither",
            allows=("process", "dialect"),
            lasting=True,
        ),
        "events_lost": Kind(Stage.EVENTS, "messages are lost", allows=_STREAM),
        "events_doubled": Kind(Stage.EVENTS, "messages come twice", allows=_STREAM),
        "events_reordered": Kind(
            Stage.EVENTS, "a message comes after its successor", allows=_STREAM
        ),
        "halt": Kind(
            Stage.MARKET,
            "trading of the symbol is halted: orders are taken and rest",
            needs=("symbol",),
            allows=("symbol",),
            lasting=True,
        ),
        "overnight_split": Kind(
            Stage.MARKET,
            "the symbol splits before the next opening, once; ratio: new shares for one old",
            {"ratio": Parameter()},
            needs=("symbol",),
            allows=("symbol",),
            once=True,
        ),
    }
)
"""By name."""

DIALECTS = ("trading", "data", "uw", "trading_stream", "data_stream", "uw_stream")
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS")
