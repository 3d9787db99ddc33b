"""One table from everything that can go wrong on the wire to a class and a meaning.

Two questions are answered for each failure: which family it belongs to (who must act), and, for
a call that changes something at the broker, whether it was placed (ORDER_PATH.md rule 9):
NOT_PLACED is known not to exist, EXISTS is known to exist already, UNKNOWN is all the rest.

Exceptions are matched by their qualified names along their ancestry, so that this table needs
none of the libraries it speaks about; a test walks through those libraries and fails when one
of them grows an exception that no row names.
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
)
from shared.resilience.classification_rows import EXCEPTION_ROWS, HTTP_ROWS, Placement

MESSAGE_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one failure. `code` is a stable word of ours for logs and decisions."""

    failure_class: FailureClass
    code: str
    placement: Placement
    message: str


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
    """Return the vendor's code (- when absent) and message, whatever the body is."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return "-", " ".join(body.split())[:MESSAGE_CHARACTERS_MAX]
    code = document.get("code", "-")
    message = str(document.get("message", ""))[:MESSAGE_CHARACTERS_MAX]
    return str(code), message


def classify_reply(status: int, body: str) -> Verdict:
    """Judge an HTTP reply that is no success, by status, vendor code and message."""
    vendor_code, message = _code_and_message(body)
    text = f"{vendor_code} {message}"
    for low, high, pattern, failure_class, code, placement in _COMPILED:
        if low <= status <= high and pattern.search(text):
            said = f"HTTP {status} {vendor_code}: {message}" if message else f"HTTP {status}"
            return Verdict(failure_class, code, placement, said)
    raise AssertionError("the last row of the table fits every reply")


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
    return Verdict(failure_class, code, placement, words)


def fault_of(verdict: Verdict, call: str) -> SystemFault:
    """Return the verdict as a fault of its family, to be raised; `call` names the request."""
    return _FAULTS[verdict.failure_class](f"{call}: {verdict.code} ({verdict.message})")


def fault_from(failure: BaseException, call: str) -> SystemFault:
    """Translate a foreign exception; our own faults pass unchanged."""
    if isinstance(failure, SystemFault):
        return failure
    return fault_of(classify_exception(failure), call)
