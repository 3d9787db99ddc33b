"""One table from everything that can go wrong on the wire to a class and a meaning.

Two questions are answered for each failure: which family it belongs to (who must act), and, for
a call that changes something at the broker, whether it was placed (ORDER_PATH.md rule 9):
NOT_PLACED is known not to exist, EXISTS is known to exist already, UNKNOWN is all the rest.

Exceptions are matched by their qualified names along their ancestry, so that this table needs
none of the libraries it speaks about; a test walks through those libraries and fails when one
of them grows an exception that no row names. What no row knows is judged by its words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.errors import (
    ConfigFault,
    FailureClass,
    RiskFault,
    SchemaFault,
    SystemFault,
    TransientFault,
    VendorError,
)
from shared.models.shown import shown
from shared.resilience.classification_rows import EXCEPTION_ROWS, HTTP_ROWS, Placement
from shared.resilience.classification_words import judge_words

MESSAGE_CHARACTERS_MAX = 300
REFUSAL_CHARACTERS_MAX = 20_000
"""A vendor says in a line why he refuses; what is longer is somebody else's page."""
ABSENT, FOREIGN = "-", "?"
"""What stands for the vendor's code when he gave none, and when the body is not his at all."""
_SHAPES = ("message", "msg", "error")
"""Names under which the vendors' own refusals say why; a page of a middle box has none."""
_STATUSES = range(100, 600)
_UNJUDGED = frozenset({"unexpected_status", "unclassified"})
_AUTH = frozenset({"unauthorized", "forbidden", "subscription", "certificate_refused"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one failure. `code` is a stable word of ours for logs and decisions."""

    failure_class: FailureClass
    code: str
    placement: Placement
    message: str
    is_by_words: bool = False
    """Whether no row knew it and the words of its text decided."""

    @property
    def vendor_error(self) -> VendorError | None:
        """The failure in the five words that all vendors share; None for a refusal meant so."""
        if self.failure_class is FailureClass.RISK:
            return None
        if self.is_by_words:
            return VendorError(self.code.upper())
        if self.failure_class is FailureClass.SCHEMA:
            return VendorError.SCHEMA_ERROR
        if self.failure_class is FailureClass.CONFIG:
            return VendorError.AUTH_ERROR if self.code in _AUTH else VendorError.UNKNOWN
        if self.code == "rate_limited":
            return VendorError.RATE_LIMIT
        return VendorError.UNKNOWN if self.code in _UNJUDGED else VendorError.NETWORK


_FAULTS: dict[FailureClass, type[SystemFault]] = {
    FailureClass.TRANSIENT: TransientFault,
    FailureClass.SCHEMA: SchemaFault,
    FailureClass.RISK: RiskFault,
    FailureClass.CONFIG: ConfigFault,
}

_COMPILED = tuple(
    (low, high, re.compile(pattern, re.IGNORECASE), failure_class, code, placement)
    for low, high, pattern, failure_class, code, placement in HTTP_ROWS
)


def _code_and_message(body: str) -> tuple[str, str]:
    """Return the vendor's code and message, whatever the body is."""
    body = body[:REFUSAL_CHARACTERS_MAX]
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return FOREIGN, " ".join(body.split())[:MESSAGE_CHARACTERS_MAX]
    code = document.get("code")
    told = next((document[name] for name in _SHAPES if name in document), None)
    if code is None and not isinstance(told, str):
        return FOREIGN, body[:MESSAGE_CHARACTERS_MAX]
    message = "" if told is None else str(told)[:MESSAGE_CHARACTERS_MAX]
    return ABSENT if code is None else str(code), message


def classify_reply(status: int, body: str) -> Verdict:
    """Judge an HTTP reply that is no success, by status, vendor code and message."""
    vendor_code, message = _code_and_message(body)
    text = f"{vendor_code} {message}"
    shown = "" if vendor_code == FOREIGN else f" {vendor_code}"
    said = f"HTTP {status}{shown}: {message}" if message else f"HTTP {status}"
    for low, high, pattern, failure_class, code, placement in _COMPILED:
        if low <= status <= high and pattern.search(text):
            known = Verdict(failure_class, code, placement, said)
            return _by_words(known, message) if code in _UNJUDGED else known
    raise AssertionError("the last row of the table fits every reply")


def _by_words(unjudged: Verdict, text: str) -> Verdict:
    """Return what the words say where no row knows better; what was placed they cannot tell."""
    words = judge_words(text)
    if not words.is_found:
        return unjudged
    code = "refused_by_words" if words.vendor_error is None else words.vendor_error.lower()
    return Verdict(words.failure_class, code, unjudged.placement, unjudged.message, True)


def refused_rows(reply: object) -> tuple[Verdict, ...]:
    """Return the verdict on each refused row of a 207: its own status inside is no success.

    Empty when the reply holds no rows, or none that is refused.
    """
    rows = reply if isinstance(reply, list) else []
    judged = (_judged_row(row) for row in rows)
    return tuple(verdict for verdict in judged if verdict is not None)


def _judged_row(row: object) -> Verdict | None:
    """Return the verdict on a row, None where it was done. One whose status cannot be read is
    never taken for done.
    """
    status = row.get("status") if isinstance(row, dict) else None
    if not isinstance(row, dict) or type(status) is not int or status not in _STATUSES:
        told = f"a row of the reply has no status: {shown(row)}"
        return Verdict(FailureClass.SCHEMA, "unreadable_row", Placement.UNKNOWN, told)
    return None if status < 300 else classify_reply(status, json.dumps(row.get("body")))


def _inside(failure: BaseException) -> Iterator[BaseException]:
    """Yield the failure and what it wraps, outermost first; at most eight levels."""
    current: object = failure
    for _ in range(8):
        if not isinstance(current, BaseException):
            return
        yield current
        # From the instance alone: elsewhere `reason` is a property that only warns.
        reason = vars(current).get("reason")
        wrapped = [item for item in current.args if isinstance(item, BaseException)]
        current = reason if isinstance(reason, BaseException) else next(iter(wrapped), None)


def _row_of(failure: BaseException) -> tuple[FailureClass, str, Placement]:
    for ancestor in type(failure).__mro__:
        row = EXCEPTION_ROWS.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
        if row is not None:
            return row
    return EXCEPTION_ROWS["builtins.Exception"]


def classify_exception(failure: BaseException) -> Verdict:
    """Judge an exception of our vendors' libraries, of Python's sockets, or of our own.

    What the exception wraps is judged too: the innermost one that proves that nothing was sent
    decides, else the outermost.
    """
    if isinstance(failure, SystemFault):
        placement = getattr(failure, "placement", Placement.UNKNOWN)
        return Verdict(failure.failure_class, "fault", placement, str(failure))
    response = getattr(failure, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(status, int) and status >= 300:
        return classify_reply(status, str(getattr(response, "text", "")))
    chosen: tuple[FailureClass, str, Placement] | None = None
    for layer in _inside(failure):
        row = _row_of(layer)
        if chosen is None or row[2] is Placement.NOT_PLACED:
            chosen = row
    failure_class, code, placement = chosen or EXCEPTION_ROWS["builtins.Exception"]
    words = f"{type(failure).__name__}: {failure}"[:MESSAGE_CHARACTERS_MAX]
    verdict = Verdict(failure_class, code, placement, words)
    return _by_words(verdict, words) if code in _UNJUDGED else verdict


def fault_of(verdict: Verdict, call: str) -> SystemFault:
    """Return the verdict as a fault of its family, to be raised; `call` names the request.

    Words alone never prove that settings or keys are wrong: such a fault would park a service.
    """
    is_suspicion = verdict.is_by_words and verdict.failure_class is FailureClass.CONFIG
    family = FailureClass.TRANSIENT if is_suspicion else verdict.failure_class
    return _FAULTS[family](f"{call}: {verdict.code} ({verdict.message})")


def fault_from(failure: BaseException, call: str) -> SystemFault:
    """Translate a foreign exception; our own faults pass unchanged."""
    if isinstance(failure, SystemFault):
        return failure
    return fault_of(classify_exception(failure), call)
