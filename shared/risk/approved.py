"""The only ticket to the broker. `shared.risk.trade_guard` alone makes it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.models.broker import OrderRequest

CheckRow = tuple[str, bool, object, object]
"""One line of the guard's trace as the checks give it: code, passed, limit, value."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the guard's trace, written out for people."""

    code: str
    passed: bool
    limit: str
    value: str


def render_trace(trace: tuple[CheckRow, ...]) -> tuple[CheckResult, ...]:
    """Write a trace out; a missing input reads `missing`."""
    return tuple(
        CheckResult(code, passed, _text(limit), _text(value))
        for code, passed, limit, value in trace
    )


def _text(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    return str(value)


_SEAL = object()
"""Known to this module and, through `seal_for_guard`, to the guard; see the house tests."""


class Approved:
    """An order that passed every check, bound to its request, valid until `expires_at_s`.

    Building one needs the guard's seal: TypeError for everybody else. The door re-reads the
    expiry (monotonic seconds) and the emergency stop after every wait.
    """

    __slots__ = ("expires_at_s", "request", "trace")

    def __init__(
        self,
        request: OrderRequest,
        trace: tuple[CheckRow, ...],
        expires_at_s: float,
        *,
        seal: object,
    ) -> None:
        if seal is not _SEAL:
            raise TypeError("Approved is made by the trade guard alone")
        self.request = request
        self.trace = trace
        self.expires_at_s = expires_at_s

    def __repr__(self) -> str:
        return f"Approved({self.request.client_order_id}, {len(self.trace)} checks)"


def seal_for_guard() -> object:
    """Return the seal. Only shared/risk/trade_guard.py may call this; a house test holds it."""
    return _SEAL
