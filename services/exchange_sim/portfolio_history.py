"""GET /v2/account/portfolio/history, pure: which moments it shows, and what the account was
worth at each, told backwards from today's books through the activities.

Timestamps are left-labelled: the beginning of the window whose end is valued. By the day the
first value is the base; within days the base is the closing equity of the day before
(`base_value_asof`), and gains start anew each day unless `pnl_reset=no_reset` (Alpaca's
documents).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from services.exchange_sim.hours import EXTENDED_FROM, extended_close
from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.market.port import Session
from services.exchange_sim.movements import Activity, Movement, MovementKind
from services.exchange_sim.records import ZERO, SimFill, SimPosition
from services.exchange_sim.ticket import bad_form
from shared.models.orders import Side

DAY = "1D"
_MINUTES = {"1Min": 1, "5Min": 5, "15Min": 15, "1H": 60}
_FINE_DAYS_MAX = 7
_INTRADAY_DAYS_MAX = 30
_PERIOD = re.compile(r"^([1-9]\d{0,2})([DWMA])$")
_DAYS_OF_UNIT = {"D": 1, "W": 7, "M": 30, "A": 365}
_DAYS_MAX = 50 * 365
_FIRST_DAY = date(2000, 1, 1)
"""No account is older, and fifty years can be taken off."""
_PERIOD_DEFAULT = "1M"
_RESETS = ("per_day", "no_reset")
_REPORTINGS = ("market_hours", "extended_hours", "continuous")
_EVERY_KIND, _NO_KIND = "ALL", "NONE"
TRANSFERS: frozenset[str] = frozenset({MovementKind.DEPOSIT, MovementKind.WITHDRAWAL})
"""The owner's own money: no gain and no loss."""
_RATIO = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """What is asked for; days are New York's, both inclusive."""

    first: date
    last: date
    timeframe: str
    extended_hours: bool = False
    resets_daily: bool = True
    cashflow_kinds: frozenset[str] = frozenset()
    """Whose amounts are told window by window."""

    @property
    def step(self) -> timedelta | None:
        """Length of a window within days; None by the day."""
        minutes = _MINUTES.get(self.timeframe)
        return timedelta(minutes=minutes) if minutes else None


def read_query(words: Mapping[str, str], today: date) -> HistoryQuery:
    """Read the query's words; raises Refusal naming the first fault."""
    first, last = _range(words, today)
    span = (last - first).days
    timeframe = words.get("timeframe") or _default_timeframe(span)
    if timeframe not in (*_MINUTES, DAY):
        raise bad_form(f"invalid timeframe: {timeframe[:20]}")
    most = _FINE_DAYS_MAX if timeframe == "1Min" else _INTRADAY_DAYS_MAX
    if timeframe != DAY and span > most:
        raise bad_form(f"timeframe {timeframe} is allowed for at most {most} days")
    reset = words.get("pnl_reset") or _RESETS[0]
    if reset not in _RESETS:
        raise bad_form(f"invalid pnl_reset: {reset[:20]}")
    extended = words.get("extended_hours", "").lower() in ("true", "1")
    reporting = words.get("intraday_reporting") or _REPORTINGS[0]
    if reporting not in _REPORTINGS:
        raise bad_form(f"invalid intraday_reporting: {reporting[:20]}")
    return HistoryQuery(
        first,
        last,
        timeframe,
        extended or reporting != _REPORTINGS[0],
        reset == _RESETS[0],
        _cashflow_kinds(words.get("cashflow_types", "")),
    )


def _range(words: Mapping[str, str], today: date) -> tuple[date, date]:
    """Return the first and the last day: two of start, end and period say them."""
    first, end = _day(words, "start"), _day(words, "date_end") or _day(words, "end")
    if first and end and words.get("period"):
        raise bad_form("only two of start, end and period can be specified")
    last = min(max(end or today, _FIRST_DAY), today)
    span = _span(words)
    if first is None:
        return last - span, last
    return first, first + min(span, today - first) if words.get("period") else last


def _span(words: Mapping[str, str]) -> timedelta:
    period = words.get("period") or _PERIOD_DEFAULT
    found = _PERIOD.match(period)
    if found is None and period != "all":
        raise bad_form(f"invalid period: {period[:20]}")
    days = int(found[1]) * _DAYS_OF_UNIT[found[2]] if found else _DAYS_MAX
    is_today = days == 1 and words.get("timeframe") != DAY
    return timedelta(days=0 if is_today else min(days, _DAYS_MAX))


def _cashflow_kinds(text: str) -> frozenset[str]:
    names = frozenset(name.strip().upper() for name in text.split(",") if name.strip())
    if _EVERY_KIND in names:
        return frozenset(MovementKind)
    return names - {_NO_KIND}


def _default_timeframe(days: int) -> str:
    if days < _FINE_DAYS_MAX:
        return "1Min"
    return "15Min" if days < _INTRADAY_DAYS_MAX else DAY


def _day(words: Mapping[str, str], name: str) -> date | None:
    text = words.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text[: len("2026-11-20")])
    except ValueError:
        raise bad_form(f"invalid format for parameter {name}: {text[:40]}") from None


def windows(
    query: HistoryQuery, sessions: Iterable[Session], now: datetime
) -> list[tuple[datetime, datetime, date]]:
    """Return beginning, end and day of each window that has begun, cut at `now`."""
    found = []
    for session in sessions:
        begins, ends = session.opens_at, session.closes_at
        if query.extended_hours and query.step is not None:
            begins, ends = _extended_open(begins), extended_close(ends)
        step = query.step or ends - begins
        while begins < min(ends, now):
            found.append((begins, min(begins + step, ends, now), session.day))
            begins += step
    return found


def _extended_open(opens_at: datetime) -> datetime:
    local = opens_at.astimezone(NEW_YORK)
    start = datetime.combine(local.date(), EXTENDED_FROM, NEW_YORK)
    return min(start.astimezone(opens_at.tzinfo), opens_at)


@dataclass(frozen=True, slots=True)
class Stock:
    """Cash and shares at one moment."""

    cash: Decimal
    shares: Mapping[str, Decimal]

    def before(self, activity: Activity) -> Stock:
        """Return what it was before an activity."""
        if isinstance(activity, SimFill):
            qty = activity.qty if activity.side is Side.BUY else -activity.qty
            amount = -qty * activity.price
        else:
            qty, amount = activity.qty, activity.amount
        shares = dict(self.shares)
        if activity.symbol:
            shares[activity.symbol] = shares.get(activity.symbol, ZERO) - qty
        return Stock(self.cash - amount, shares)


def stock_of(cash: Decimal, positions: Iterable[SimPosition]) -> Stock:
    """Return the books as a stock."""
    return Stock(cash, {position.symbol: position.qty for position in positions})


PriceAt = Callable[[str, datetime], Decimal]


def values(
    moments: Sequence[datetime], stock: Stock, newest_first: Iterable[Activity], price: PriceAt
) -> list[Decimal]:
    """Return the equity at rising moments: from today's stock back through the activities."""
    found = []
    activities = iter(newest_first)
    activity = next(activities, None)
    for moment in reversed(moments):
        while activity is not None and activity.at > moment:
            stock = stock.before(activity)
            activity = next(activities, None)
        held = ((symbol, qty) for symbol, qty in stock.shares.items() if qty)
        found.append(stock.cash + sum((qty * price(name, moment) for name, qty in held), ZERO))
    return found[::-1]


@dataclass(frozen=True, slots=True)
class Point:
    """One window: what the account was worth at its end."""

    begins: datetime
    ends: datetime
    day: date
    equity: Decimal


@dataclass(frozen=True, slots=True)
class Base:
    """What gains are measured from: equity at a moment."""

    value: Decimal
    at: datetime
    asof: str = ""
    """The trading day whose close it is; empty: the first value shown."""


def history_document(
    query: HistoryQuery, points: Sequence[Point], base: Base, movements: Sequence[Movement]
) -> dict[str, object]:
    """Return the reply: parallel arrays. Of the movements the owner's transfers are no gain."""
    transfers = [one for one in movements if one.kind in TRANSFERS]
    gains: list[Decimal] = []
    ratios: list[Decimal] = []
    start, since = base.value, base.at
    resets = query.resets_daily and query.step is not None
    for before, point in zip([None, *points], points, strict=False):
        if resets and before is not None and before.day != point.day:
            start, since = before.equity, before.ends
        moved = sum((one.amount for one in transfers if since < one.at <= point.ends), ZERO)
        gain = point.equity - start - moved
        gains.append(gain)
        ratios.append((gain / start).quantize(_RATIO) if start > 0 else ZERO)
    document: dict[str, object] = {
        "timestamp": [int(point.begins.timestamp()) for point in points],
        "equity": [float(point.equity) for point in points],
        "profit_loss": [float(gain) for gain in gains],
        "profit_loss_pct": [float(ratio) for ratio in ratios],
        "base_value": float(base.value),
        "timeframe": query.timeframe,
    }
    if base.asof:
        document["base_value_asof"] = base.asof
    if query.cashflow_kinds:
        document["cashflow"] = _cashflow(query, points, base, movements)
    return document


def _cashflow(
    query: HistoryQuery, points: Sequence[Point], base: Base, movements: Sequence[Movement]
) -> dict[str, list[float]]:
    """Return the amounts of each wanted kind that occurred, by window; what moved between two
    windows is told in the later one.
    """
    begins = [base.at, *(point.ends for point in points)]
    flows: dict[str, list[float]] = {}
    for kind in sorted(query.cashflow_kinds & {one.kind.value for one in movements}):
        of_kind = [one for one in movements if one.kind == kind]
        flows[kind] = [
            float(sum((one.amount for one in of_kind if begin < one.at <= point.ends), ZERO))
            for begin, point in zip(begins, points, strict=False)
        ]
    return flows
