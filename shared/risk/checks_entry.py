"""The checks of an entry beside its flags: what it is, its stop, its price, its size.

Each function returns rows of the trace: code, passed, limit, value. A missing amount is NaN, which
makes the comparison fail; so no row needs a case of its own for it.
"""

from __future__ import annotations

from decimal import Decimal

from shared.models.numbers import CENT
from shared.models.orders import OrderClass, OrderType, Side, TimeInForce
from shared.risk.approved import CheckRow
from shared.risk.case import Case
from shared.risk.dollars import HUGE, ONE, ZERO
from shared.risk.facts import GuardFacts
from shared.risk.ticks import on_tick

RECONCILE_AGE_S_MAX = 180.0
"""Three of the one-minute rounds; older knowledge of the account adds no risk."""

CLOCK_SKEW_S_MAX = 2.0
CLOCK_SKEW_S_MIN = -CLOCK_SKEW_S_MAX

_LONG_AGO_S = -1e12
_HALF = Decimal("0.5")
_BUY = Side.BUY
_LIMIT, _BRACKET, _GTC = OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC


def form_rows(_facts: GuardFacts, case: Case) -> tuple[CheckRow, ...]:
    """Whole shares, every price on the tick, a GTC bracket with a limit (rule 1)."""
    request, _, limit, stop, target = case
    qty = request.qty
    whole_cents = not (limit % CENT or stop % CENT or target % CENT)
    ticks = whole_cents or (on_tick(limit) and on_tick(stop) and on_tick(target))
    known = (
        request.order_class is _BRACKET
        and request.type is _LIMIT
        and request.time_in_force is _GTC
        and request.replaces is None
        and request.stop_price is None
    )
    return (
        ("whole_shares", qty > ZERO and not qty % ONE, "whole, above 0", qty),
        ("tick", ticks, "on the tick", limit),
        ("form", known, "bracket limit gtc", request.order_class),
    )


def stop_rows(facts: GuardFacts, case: Case) -> tuple[CheckRow, ...]:
    """The stop is there, on the losing side, a cent away, and its loss within the limits.

    The broker wants the cent from the current price; a target belongs on the winning side.
    """
    request, dollars, limit, stop, target = case
    before, one_most, all_most = facts.open_risk, dollars.risk_per_trade, dollars.total_risk
    if request.side is _BUY:
        sides, away, per_share = stop < limit < target, facts.bid - stop, limit - stop
    else:
        sides, away, per_share = target < limit < stop, stop - facts.ask, stop - limit
    loss = request.qty * per_share
    total = before + loss
    return (
        ("stop_present", stop > ZERO, "a stop", stop),
        ("stop_side", sides, limit, stop),
        ("stop_distance", away >= CENT, CENT, away),
        ("trade_risk", loss <= one_most, one_most, loss),
        ("total_risk", before >= ZERO and total <= all_most, all_most, total),
    )


def price_rows(facts: GuardFacts, case: Case) -> tuple[CheckRow, ...]:
    """Fresh, two-sided, not too wide, and the limit near last trade, mid and prior close.

    A negative age is a broken clock, not a fresh price.
    """
    _, dollars, limit, _, _ = case
    bid, ask, trade, close = facts.bid, facts.ask, facts.last_trade, facts.prior_close
    price_age, signal_age = facts.price_age_s, facts.signal_age_s
    low, high, band = dollars.band_low, dollars.band_high, dollars.band
    both, width = bid + ask, ask - bid
    widest, mid = both * dollars.spread_share, both * _HALF
    return (
        ("price_age", 0.0 <= price_age <= dollars.quote_age_s, dollars.quote_age_s, price_age),
        ("quote", ZERO < bid <= ask, "two sides", bid),
        ("spread", width <= widest, widest, width),
        ("band_trade", trade * low <= limit <= trade * high, band, trade),
        ("band_mid", mid * low <= limit <= mid * high, band, mid),
        ("band_close", close * low <= limit <= close * high, band, close),
        ("signal_age", 0.0 <= signal_age <= dollars.signal_age_s, dollars.signal_age_s, signal_age),
    )


def size_rows(facts: GuardFacts, case: Case) -> tuple[CheckRow, ...]:
    """The value fits order, position, symbol, account and buying power.

    The limits hold for one equity only, a sane one; any other denies.
    """
    request, dollars, limit, _, _ = case
    value = request.qty * limit
    equity, power = facts.equity, facts.buying_power
    before_symbol, before_all = facts.symbol_exposure, facts.gross_exposure
    symbol, everything = before_symbol + value, before_all + value
    fits = before_symbol >= ZERO
    concentration, exposure = dollars.concentration, dollars.exposure
    return (
        ("equity", equity == dollars.equity, dollars.equity, equity),
        ("notional", ZERO < value <= dollars.notional, dollars.notional, value),
        ("position", fits and symbol <= dollars.position, dollars.position, symbol),
        ("concentration", fits and symbol <= concentration, concentration, symbol),
        ("gross_exposure", before_all >= ZERO and everything <= exposure, exposure, everything),
        ("buying_power", value <= power < HUGE, power, value),
    )


def account_rows(facts: GuardFacts, case: Case) -> tuple[CheckRow, ...]:
    """Knowledge is fresh, the order buys from flat, counts and losses lie within their limits.

    Long only, and one owner per symbol until it is flat (rule 8): an entry never adds, and never
    turns a position round.
    """
    request, dollars, _, _, _ = case
    age, skew, left = facts.reconcile_age_s, facts.clock_skew_s, facts.cooldown_left_s
    held, pnl, fall = facts.position_qty, facts.day_pnl, facts.drawdown_pct
    count, sent = facts.open_positions, facts.entries_last_minute
    floor, count_max, sent_max = (
        dollars.daily_loss_floor,
        dollars.open_positions_max,
        dollars.orders_per_minute_max,
    )
    return (
        ("reconciled", 0.0 <= age <= RECONCILE_AGE_S_MAX, RECONCILE_AGE_S_MAX, age),
        ("clock_skew", CLOCK_SKEW_S_MIN <= skew <= CLOCK_SKEW_S_MAX, CLOCK_SKEW_S_MAX, skew),
        ("flip", request.side is _BUY and held == ZERO, "buy from flat", held),
        ("open_positions", 0 <= count < count_max, count_max, count),
        ("cooldown", _LONG_AGO_S < left <= 0.0, 0.0, left),
        ("rate", 0 <= sent < sent_max, sent_max, sent),
        ("daily_loss", floor < pnl < HUGE, floor, pnl),
        ("drawdown", ZERO <= fall < dollars.drawdown_pct, dollars.drawdown_pct, fall),
    )
