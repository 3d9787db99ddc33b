"""The guard: every check runs, any denial denies, and only here an Approved is made."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, InvalidOperation, localcontext

from shared.models.broker import OrderRequest
from shared.models.orders import Purpose
from shared.risk.approved import Approved, CheckRow, seal_for_guard
from shared.risk.case import Case, case_of
from shared.risk.checks import EXIT_FAMILIES, Rows, entry_rows
from shared.risk.dollars import DollarLimits
from shared.risk.facts import GuardFacts
from shared.risk.flags import ALL_PASSED, flag_rows

APPROVAL_LIFETIME_S = 5.0
"""Monotonic seconds; what was true when the guard looked is not true for long."""

_SEAL = seal_for_guard()
_ENTRY = Purpose.ENTRY
_QUIET = Context(traps=[])
"""Here a comparison with NaN is False instead of an exception, so the whole trace is made."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Why an order does not go out: the first check that refused, and the whole trace."""

    request: OrderRequest
    code: str
    limit: object
    value: object
    trace: tuple[CheckRow, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """Every check that refused, in the order of the trace."""
        return tuple(row[0] for row in self.trace if not row[1])


def guard(
    request: OrderRequest, facts: GuardFacts, dollars: DollarLimits, now_s: float
) -> Approved | Denied:
    """Run every check that binds the request's purpose.

    `dollars` are the limits at the present equity; `now_s` is monotonic seconds.
    """
    case = case_of(request, dollars)
    if request.purpose is _ENTRY:
        flags = flag_rows(facts)
        try:
            rows = entry_rows(facts, case)
        except InvalidOperation:
            # Something is missing. As a rule nothing is, and a context costs several checks.
            with localcontext(_QUIET):
                rows = entry_rows(facts, case)
        trace = flags + rows
        suspects = rows if flags is ALL_PASSED else trace
    else:
        suspects = trace = _exit_rows(facts, case)
    for row in suspects:
        if not row[1]:
            return Denied(request, row[0], row[2], row[3], trace)
    return Approved(request, trace, now_s + APPROVAL_LIFETIME_S, seal=_SEAL)


def _exit_rows(facts: GuardFacts, case: Case) -> Rows:
    with localcontext(_QUIET):
        families = EXIT_FAMILIES[case[0].purpose]
        return tuple(row for family in families for row in family(facts, case))
