"""The inputs of the guard, as tables for its tests: what is tried, and the code that must deny."""

from __future__ import annotations

from typing import Any

from shared.models.broker import OrderRequest
from shared.models.limits import Limits
from shared.models.trading_state import TradingState
from shared.risk.approved import Approved
from shared.risk.dollars import DollarLimits
from shared.risk.facts import GuardFacts
from shared.risk.trade_guard import Denied, guard
from tests.support.builders import D

DOLLARS = DollarLimits.of(Limits(), D("100000.00"))


def judge(
    request: OrderRequest, facts: GuardFacts, dollars: DollarLimits = DOLLARS
) -> Approved | Denied:
    """Run the guard at second 100."""
    return guard(request, facts, dollars, 100.0)


def codes_of(verdict: Approved | Denied) -> tuple[str, ...]:
    """Return the codes that refused."""
    return verdict.codes if isinstance(verdict, Denied) else ()


# field → (codes that its absence must give, wrong values beside absence)
AMOUNTS: dict[str, tuple[str, ...]] = {
    "bid": ("quote", "spread", "band_mid", "stop_distance"),
    "ask": ("quote", "spread", "band_mid"),
    "last_trade": ("band_trade",),
    "prior_close": ("band_close",),
    "equity": ("equity",),
    "buying_power": ("buying_power",),
    "day_pnl": ("daily_loss",),
    "drawdown_pct": ("drawdown",),
    "symbol_exposure": ("position", "concentration"),
    "gross_exposure": ("gross_exposure",),
    "open_risk": ("total_risk",),
    "position_qty": ("flip",),
}
AGES = {
    "reconcile_age_s": "reconciled",
    "price_age_s": "price_age",
    "signal_age_s": "signal_age",
}
FLAGS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "emergency_stop": ("emergency_stop", (None, True)),
    "trading_state": ("trading_state", (None, TradingState.REDUCING, TradingState.HALTED)),
    "is_open": ("session", (None, False)),
    "unknown_outcomes": ("unknown_outcome", (None, 1)),
    "stream_listening": ("stream", (None, False)),
    "store_writable": ("store", (None, False)),
    "account_may_trade": ("account_flags", (None, False)),
    "mode_matches": ("mode", (None, False)),
    "account_matches": ("account", (None, False)),
    "asset_class": ("asset_class", (None, "crypto", "")),
    "tradable": ("tradable", (None, False)),
    "owner": ("owner", (None, "other", "external")),
    "uncovered_symbols": ("naked_elsewhere", (None, 1)),
    "opposite_orders": ("wash", (None, 1)),
    "known_id": ("duplicate", (None, True)),
    "twin_orders": ("twin", (None, 1)),
}
COUNTS = {"open_positions": ("open_positions", 10), "entries_last_minute": ("rate", 60)}
EXITS_ONLY = {"position_qty_known", "exits_live_qty", "unknown_exits", "exits_last_minute"}
