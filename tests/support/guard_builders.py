"""Builds requests and facts for the guard; each test names only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.models.broker import OrderRequest
from shared.models.orders import OrderClass, OrderType, Purpose, Side, TimeInForce
from shared.models.trading_state import TradingState
from shared.risk.facts import GuardFacts
from tests.support.builders import NOON, D, own_id


def an_entry_request(**changes: Any) -> OrderRequest:
    """Return a bracket entry of 10 shares at 100 that every check lets pass."""
    request = OrderRequest(
        client_order_id=own_id(),
        purpose=Purpose.ENTRY,
        symbol="AAPL",
        side=Side.BUY,
        qty=D(10),
        type=OrderType.LIMIT,
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        limit_price=D("100.00"),
        stop_price=None,
        take_profit_price=D("103.00"),
        stop_loss_price=D("98.00"),
        strategy="momentum",
        created_at=NOON,
        reason="test",
    )
    return replace(request, **changes)


def a_reduce_request(**changes: Any) -> OrderRequest:
    """Return a market sale of 10 shares."""
    request = an_entry_request(
        purpose=Purpose.REDUCE,
        side=Side.SELL,
        type=OrderType.MARKET,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.DAY,
        limit_price=None,
        take_profit_price=None,
        stop_loss_price=None,
    )
    return replace(request, **changes)


def a_protect_request(**changes: Any) -> OrderRequest:
    """Return a GTC OCO that protects 10 shares."""
    request = an_entry_request(
        purpose=Purpose.PROTECT,
        side=Side.SELL,
        order_class=OrderClass.OCO,
        limit_price=D("103.00"),
    )
    return replace(request, **changes)


def good_facts(**changes: Any) -> GuardFacts:
    """Return facts with which an entry passes every check."""
    facts = GuardFacts(
        emergency_stop=False,
        trading_state=TradingState.ACTIVE,
        is_open=True,
        reconcile_age_s=10.0,
        unknown_outcomes=0,
        stream_listening=True,
        store_writable=True,
        account_may_trade=True,
        clock_skew_s=0.1,
        mode_matches=True,
        account_matches=True,
        asset_class="us_equity",
        tradable=True,
        bid=D("99.98"),
        ask=D("100.00"),
        last_trade=D("99.99"),
        prior_close=D("99.00"),
        price_age_s=1.0,
        signal_age_s=1.0,
        equity=D("100000.00"),
        buying_power=D("200000.00"),
        day_pnl=D("10.00"),
        drawdown_pct=D("0.01"),
        symbol_exposure=D(0),
        gross_exposure=D(1000),
        open_risk=D(100),
        open_positions=1,
        owner="",
        uncovered_symbols=0,
        opposite_orders=0,
        known_id=False,
        twin_orders=0,
        cooldown_left_s=0.0,
        entries_last_minute=1,
        exits_last_minute=0,
        position_qty=D(0),
        position_qty_known=D(0),
        exits_live_qty=D(0),
        unknown_exits=0,
    )
    return replace(facts, **changes)


def exit_facts(**changes: Any) -> GuardFacts:
    """Return facts with which 10 held shares may be protected and sold."""
    return good_facts(position_qty=D(10), position_qty_known=D(10), owner="momentum", **changes)
