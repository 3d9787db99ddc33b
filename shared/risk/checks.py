"""The matrix of ORDER_PATH.md: which family of checks binds which purpose, and every code."""

from __future__ import annotations

from collections.abc import Callable

from shared.models.orders import Purpose
from shared.risk import checks_exit as leave
from shared.risk.approved import CheckRow
from shared.risk.case import Case
from shared.risk.checks_entry import account_rows, form_rows, price_rows, size_rows, stop_rows
from shared.risk.facts import GuardFacts

Rows = tuple[CheckRow, ...]


def entry_rows(facts: GuardFacts, case: Case) -> Rows:
    """Return the trace of an entry, without its flags."""
    return (
        *form_rows(facts, case),
        *stop_rows(facts, case),
        *price_rows(facts, case),
        *size_rows(facts, case),
        *account_rows(facts, case),
    )


EXIT_FAMILIES: dict[Purpose, tuple[Callable[[GuardFacts, Case], Rows], ...]] = {
    Purpose.PROTECT: (leave.identity_rows, leave.protection_rows, leave.quantity_rows),
    Purpose.REDUCE: (leave.identity_rows, leave.quantity_rows, leave.unknown_exit_rows),
    Purpose.CANCEL: (),
}
"""The checks of what reduces risk, in the order of the trace. A cancel is never refused."""

_ENTRY, _PROTECT, _REDUCE = (
    frozenset({Purpose.ENTRY}),
    frozenset({Purpose.PROTECT}),
    frozenset({Purpose.REDUCE}),
)

MATRIX: dict[str, frozenset[Purpose]] = {
    **dict.fromkeys(
        ("emergency_stop", "trading_state", "session", "unknown_outcome", "stream", "store"),
        _ENTRY,
    ),
    **dict.fromkeys(("account_flags", "reconciled", "clock_skew"), _ENTRY),
    **dict.fromkeys(
        ("mode", "account", "asset_class", "tradable", "whole_shares", "tick", "form"),
        _ENTRY | _PROTECT | _REDUCE,
    ),
    **dict.fromkeys(("stop_side", "stop_distance"), _ENTRY | _PROTECT),
    **dict.fromkeys(("stop_present", "trade_risk", "total_risk"), _ENTRY),
    **dict.fromkeys(("exit_quantity", "exit_rate"), _PROTECT | _REDUCE),
    "unknown_exit": _REDUCE,
    **dict.fromkeys(("price_age", "quote", "spread", "signal_age"), _ENTRY),
    **dict.fromkeys(("band_trade", "band_mid", "band_close"), _ENTRY),
    **dict.fromkeys(("equity", "notional", "position", "concentration"), _ENTRY),
    **dict.fromkeys(("gross_exposure", "buying_power", "open_positions", "flip"), _ENTRY),
    **dict.fromkeys(("owner", "naked_elsewhere", "wash", "duplicate", "twin"), _ENTRY),
    **dict.fromkeys(("cooldown", "rate", "daily_loss", "drawdown"), _ENTRY),
}
"""Code of every check → the purposes that it binds. The codes are stable and public."""
