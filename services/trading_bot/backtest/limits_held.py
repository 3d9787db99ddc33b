"""Whether every entry kept every limit, worked out anew from the broker's fills. Pure.

Nothing of the guard is used: what a limit means is written here a second time, from shares, cash,
the closes of the bar files and the equity at each fill. What adds risk is judged at the moment at
which it does; prices may carry a position beyond a limit later, and that breaks none.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from services.trading_bot.backtest.audit import Booking
from services.trading_bot.report import EquityPoint
from shared.models.limits import Limits
from shared.models.trading_day import trading_day

ZERO = Decimal(0)

CloseOf = Callable[[str, datetime], "tuple[datetime, Decimal] | None"]
"""Symbol and moment → when the last bar finished by then did, and its close; None without one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What limits are recounted from, beside the bookings."""

    limits: Limits
    points: Sequence[EquityPoint]
    close_of: CloseOf
    first_stops: Mapping[str, Decimal]
    """Stop price that came with an entry, by the entry's order id."""


@dataclass(slots=True)
class _Held:
    shares: Decimal = ZERO
    cost: Decimal = ZERO
    stop: Decimal = ZERO
    changed_at: datetime | None = None
    """When a split last changed the shares: closes from before mean other shares."""
    left_at: datetime | None = None


@dataclass(slots=True)
class _Walk:
    evidence: Evidence
    held: dict[str, _Held] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    bought: list[tuple[datetime, str]] = field(default_factory=list)
    """When an entry first filled, and its order."""
    moments: list[str] = field(default_factory=list)
    peaks: list[Decimal] = field(default_factory=list)


def broken_limits(bookings: Iterable[Booking], evidence: Evidence) -> tuple[str, ...]:
    """Return in sentences where a fill broke a limit; empty when every one held."""
    walk, peak = _Walk(evidence), ZERO
    for point in evidence.points:
        peak = max(peak, point.equity)
        walk.moments.append(_sortable(datetime.fromisoformat(point.at)))
        walk.peaks.append(peak)
    for booking in bookings:
        if booking.symbol:
            _take(walk, booking)
    return tuple(walk.said)


def _sortable(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _take(walk: _Walk, booking: Booking) -> None:
    at = datetime.fromisoformat(booking.at)
    one = walk.held.setdefault(booking.symbol, _Held())
    if not booking.is_fill:
        _split(one, booking, at)
    elif booking.shares > 0:
        was_flat = one.shares == 0
        one.shares += booking.shares
        one.cost -= booking.cash
        _judge(walk, booking, at, is_new=was_flat)
    else:
        one.cost *= 1 + booking.shares / one.shares if one.shares else ZERO
        one.shares += booking.shares
        if one.shares < 0:
            walk.said.append(f"{booking.at} {booking.symbol}: {one.shares} shares, sold below 0")
        one.left_at = at if one.shares == 0 else one.left_at


def _split(one: _Held, booking: Booking, at: datetime) -> None:
    if one.shares:
        one.stop *= one.shares / (one.shares + booking.shares)
        one.shares += booking.shares
        one.changed_at = at


def _judge(walk: _Walk, booking: Booking, at: datetime, *, is_new: bool) -> None:
    place = bisect.bisect_right(walk.moments, _sortable(at)) - 1
    if place < 0:
        walk.said.append(f"{booking.at} {booking.symbol}: bought before any equity was known")
        return
    one, limits = walk.held[booking.symbol], walk.evidence.limits
    equity = walk.evidence.points[place].equity
    one.stop = walk.evidence.first_stops.get(booking.order_id, ZERO)
    if is_new:
        _judge_pause(walk, booking, at)
    open_now = {name: each for name, each in walk.held.items() if each.shares}
    gross = sum((_worth(walk, name, at) for name in open_now if name != booking.symbol), one.cost)
    risk = sum((_risk(walk, name, at) for name in open_now if name != booking.symbol), ZERO)
    own_risk = one.cost - one.shares * one.stop
    rows = (
        ("position", one.cost, equity * limits.position_limit_pct),
        ("position", one.cost, limits.position_size_usd_max),
        ("order", -booking.cash, limits.notional_per_order_usd_max),
        ("concentration", one.cost, equity * limits.concentration_pct),
        ("exposure", gross, equity * limits.portfolio_exposure_pct),
        ("trade risk", own_risk, equity * limits.risk_per_trade_pct),
        ("open risk", risk + own_risk, equity * limits.total_open_risk_pct),
        ("open positions", Decimal(len(open_now)), Decimal(limits.open_positions_max)),
    )
    broken = [row for row in rows if row[2] is not None and row[1] > row[2]]
    ends = (
        ("loss of the day", _base(walk, place) - equity, equity * limits.daily_loss_limit_pct),
        ("drawdown", 1 - equity / walk.peaks[place], limits.drawdown_limit_pct),
    )
    broken += [row for row in ends if row[1] >= row[2]]
    for name, value, most in broken:
        words = f"{name} {value:.4f}, at most {most:.4f}"
        walk.said.append(f"{booking.at} {booking.symbol}: {words}, at equity {equity:.2f}")


def _judge_pause(walk: _Walk, booking: Booking, at: datetime) -> None:
    """Judge how soon this entry follows the last exit of its symbol, and the last entries."""
    limits, left_at = walk.evidence.limits, walk.held[booking.symbol].left_at
    pause = timedelta(minutes=float(limits.cooldown_minutes))
    if left_at is not None and at - left_at < pause:
        walk.said.append(f"{booking.at} {booking.symbol}: entered {at - left_at} after it was left")
    walk.bought.append((at, booking.order_id))
    recent = [moment for moment, _ in walk.bought if at - moment < timedelta(minutes=1)]
    if len(recent) > limits.orders_per_minute_max:
        walk.said.append(f"{booking.at} {booking.symbol}: entry {len(recent)} of one minute")


def _base(walk: _Walk, place: int) -> Decimal:
    """Return the equity at the end of the New York day before: of a first day its first."""
    points = walk.evidence.points
    today = trading_day(datetime.fromisoformat(points[place].at))
    for earlier in range(place, -1, -1):
        if trading_day(datetime.fromisoformat(points[earlier].at)) < today:
            return points[earlier].equity
    return points[0].equity


def _worth(walk: _Walk, symbol: str, at: datetime) -> Decimal:
    one, price = walk.held[symbol], _price(walk, symbol, at)
    return one.cost if price is None else one.shares * price


def _risk(walk: _Walk, symbol: str, at: datetime) -> Decimal:
    one, price = walk.held[symbol], _price(walk, symbol, at)
    return max(ZERO, (one.cost if price is None else one.shares * price) - one.shares * one.stop)


def _price(walk: _Walk, symbol: str, at: datetime) -> Decimal | None:
    found, changed_at = walk.evidence.close_of(symbol, at), walk.held[symbol].changed_at
    if found is None or (changed_at is not None and found[0] <= changed_at):
        return None
    return found[1]
