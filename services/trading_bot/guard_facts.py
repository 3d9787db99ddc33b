"""Gathers for the guard what stands already: exposure, risk, owners, exits, rates. Pure.

Whatever could not be read is MISSING or None; the guard then denies an entry, never an exit by
mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.trading_bot.coverage import closing_by_group, coverage
from services.trading_bot.decision import Facts
from services.trading_bot.external_shares import beyond_ours
from services.trading_bot.sends import Send
from shared.models.broker import Asset, OrderRequest
from shared.models.externals import serves_externals
from shared.models.orders import Order, OrderRole, OrderStatus
from shared.models.trading_state import BotState
from shared.risk.facts import MISSING, UNKNOWN_AGE, GuardFacts, known

ZERO = Decimal(0)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class System:
    """What the guard asks of the system itself; None means not known."""

    emergency_stop: bool
    stream_listening: bool
    store_writable: bool
    clock_skew_s: float | None
    mode_matches: bool
    account_matches: bool | None
    asset: Asset | None
    prior_close: Decimal | None


def guard_facts(send: Send, facts: Facts, system: System) -> GuardFacts:
    """Return everything that the guard may ask about one order."""
    request, state, account = send.request, facts.state, facts.account
    quote = facts.market.quotes.get(request.symbol)
    day, asset = state.day, system.asset
    held, ours = _shares(send, facts)
    return GuardFacts(
        emergency_stop=system.emergency_stop,
        trading_state=facts.trading_state,
        is_open=facts.reading.is_open,
        reconcile_age_s=(UNKNOWN_AGE if facts.reconcile_age_s is None else facts.reconcile_age_s),
        unknown_outcomes=len(state.unknown_outcomes),
        stream_listening=system.stream_listening,
        store_writable=system.store_writable,
        account_may_trade=account.may_trade if account is not None else None,
        clock_skew_s=UNKNOWN_AGE if system.clock_skew_s is None else system.clock_skew_s,
        mode_matches=system.mode_matches,
        account_matches=system.account_matches,
        asset_class=asset.asset_class if asset is not None else None,
        tradable=asset.tradable if asset is not None else None,
        bid=quote.bid if quote is not None else MISSING,
        ask=quote.ask if quote is not None else MISSING,
        last_trade=known(_last_close(request.symbol, facts)),
        prior_close=known(system.prior_close),
        price_age_s=_age_s(quote.at if quote is not None else None, facts.now),
        signal_age_s=_age_s(send.signal_at, facts.now),
        equity=account.equity if account is not None else MISSING,
        buying_power=account.buying_power if account is not None else MISSING,
        day_pnl=day.pnl(account.equity) if day is not None and account is not None else MISSING,
        drawdown_pct=known(state.pnl.drawdown_pct),
        symbol_exposure=known(exposure(facts, request.symbol)),
        gross_exposure=known(exposure(facts, None)),
        open_risk=known(open_risk(facts)),
        open_positions=len(_open_symbols(state)),
        owner=_owner(request.symbol, facts),
        uncovered_symbols=sum(not row.is_covered for row in coverage(state, facts.now).values()),
        opposite_orders=_opposite(request, state),
        known_id=request.client_order_id in state.orders,
        twin_orders=_twins(request, state),
        cooldown_left_s=_cooldown_left_s(request.symbol, facts),
        entries_last_minute=_sent_last_minute(facts, entries=True),
        exits_last_minute=_sent_last_minute(facts, entries=False),
        position_qty=known(held),
        position_qty_known=ours,
        exits_live_qty=_exits_live_qty(send, state),
        unknown_exits=_unknown_exits(request, state),
    )


def _age_s(moment: datetime | None, now: datetime) -> float:
    return (now - moment).total_seconds() if moment is not None else UNKNOWN_AGE


def _shares(send: Send, facts: Facts) -> tuple[Decimal | None, Decimal]:
    """Return the shares of the order's owner: as read fresh (None: not readable) and as known. An
    order for external shares may touch those alone, and none of ours.
    """
    symbol, held = send.request.symbol, facts.broker_positions
    is_external = serves_externals(send.order.position_key)
    owned = facts.state.external_positions if is_external else facts.state.positions
    known = owned[symbol].qty if symbol in owned else ZERO
    if held is None:
        return None, known
    if is_external:
        return beyond_ours(symbol, facts.state, held), known
    return held[symbol].qty if symbol in held else ZERO, known


def _last_close(symbol: str, facts: Facts) -> Decimal | None:
    buffer = facts.market.buffers.get(symbol)
    return buffer.last.close if buffer is not None and buffer.last is not None else None


def _working_entries(state: BotState) -> list[Order]:
    """Entries that may still buy: intended, unknown and working ones."""
    return [order for order in state.orders.open() if order.role is OrderRole.ENTRY]


def exposure(facts: Facts, symbol: str | None) -> Decimal | None:
    """Dollars at stake in one symbol (None: in all): shares held and entries that may fill.

    Unknown when a position has no current price: what it cost once is for display, never an order.
    """
    if facts.broker_positions is None:
        return None
    total = ZERO
    for held in facts.broker_positions.values():
        if symbol is None or held.symbol == symbol:
            if held.current_price is None:
                return None
            total += abs(held.qty * held.current_price)
    for order in _working_entries(facts.state):
        if symbol is None or order.symbol == symbol:
            total += order.remaining_qty * (order.limit_price or ZERO)
    return total


def open_risk(facts: Facts) -> Decimal | None:
    """Dollars lost if every stop of ours filled now."""
    if facts.broker_positions is None:
        return None
    total = ZERO
    for symbol, position in facts.state.positions.items():
        shown = facts.broker_positions.get(symbol)
        price = (shown.current_price if shown is not None else None) or position.entry_price
        # Without a stop everything is at risk.
        stop = position.stop_price or ZERO
        total += abs(position.qty) * max(ZERO, price - stop)
    for order in _working_entries(facts.state):
        if order.limit_price is not None:
            distance = order.limit_price - (order.stop_loss_price or ZERO)
            total += order.remaining_qty * max(ZERO, distance)
    return total


def _open_symbols(state: BotState) -> set[str]:
    return set(state.positions) | {order.symbol for order in _working_entries(state)}


def _owner(symbol: str, facts: Facts) -> str:
    state = facts.state
    if symbol in state.positions:
        return state.positions[symbol].strategy or "unknown"
    if symbol in state.external_positions:
        return "external"
    if facts.broker_positions is not None and symbol in facts.broker_positions:
        return "at the broker"
    return "busy" if state.is_busy(symbol) else ""


def _opposite(request: OrderRequest, state: BotState) -> int:
    return sum(
        order.symbol == request.symbol and order.side is request.side.opposite
        for order in state.orders.live()
    )


def _twins(request: OrderRequest, state: BotState) -> int:
    return sum(
        order.symbol == request.symbol
        and order.side is request.side
        and order.qty == request.qty
        and order.client_order_id != request.client_order_id
        for order in state.orders.live()
    )


def _cooldown_left_s(symbol: str, facts: Facts) -> float:
    since = facts.state.cooldowns.get(symbol)
    if since is None:
        return 0.0
    rest_s = float(facts.policy.limits.cooldown_minutes) * 60
    return max(0.0, rest_s - (facts.now - since).total_seconds())


def _sent_last_minute(facts: Facts, *, entries: bool) -> int:
    since = facts.now - _MINUTE
    return sum(
        (order.role is OrderRole.ENTRY) is entries
        and (order.parent_id is None or order.replaces is not None)
        and order.created_at is not None
        and order.created_at > since
        for order in facts.state.orders.values()
    )


def _exits_live_qty(send: Send, state: BotState) -> Decimal:
    """Shares that other live exits of the same owner would close."""
    request = send.request
    is_external = serves_externals(send.order.position_key)
    exits = [
        order
        for order in state.orders.live()
        if (order.symbol, order.side) == (request.symbol, request.side)
        and order.role is not OrderRole.ENTRY
        and not _is_doubtful_protection(order)
        and serves_externals(order.position_key) is is_external
    ]
    closing = closing_by_group(exits)
    closing.pop(request.client_order_id, None)
    for order in exits:
        if request.replaces is not None and order.broker_order_id == request.replaces:
            closing.pop(order.parent_id or order.client_order_id, None)
    return sum(closing.values(), ZERO)


def _is_doubtful_protection(order: Order) -> bool:
    return order.status is OrderStatus.UNKNOWN and order.role is not OrderRole.EXIT


def _unknown_exits(request: OrderRequest, state: BotState) -> int:
    """Count the others: an unknown exit may itself be sent again, under its id (rule 10). Of
    protection that is unknown the broker says whether it holds the shares.
    """
    return sum(
        order.symbol == request.symbol
        and order.client_order_id != request.client_order_id
        and order.status is OrderStatus.UNKNOWN
        and order.role is OrderRole.EXIT
        and order.side is request.side
        for order in state.orders.open()
    )
