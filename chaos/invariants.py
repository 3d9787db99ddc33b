"""What holds at all times (CONTRACTS.md section 9), judged by the exchange's books. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from chaos.evidence import ACTIVE, OK, Books, Moments, Sample, spans
from chaos.row import Invariant, Row
from chaos.telling import better_pages, untold
from shared.models.ids import parse_own_id

UNCOVERED_S_MAX = 5.0
BEAT_S = 2.0
"""A trading state is told with a beat: an entry may precede the word by so long."""
DEAD_TOLD_S = 4.0
"""One and a half beats and a write: so long a hung bot may still be called OK."""
EXPOSURE_MAX, SYMBOL_MAX, POSITIONS_MAX = Decimal("0.30"), Decimal("0.15"), 10
SLACK = Decimal("1.05")
"""Equity is known for the end of a drill alone; on the way it was a little more."""
STOPS = ("stop", "stop_limit", "trailing_stop")
ENTRY = "entry"
_ENDS = ("filled_at", "canceled_at", "expired_at", "replaced_at", "failed_at")
_FUTURE = datetime.max.replace(tzinfo=UTC)


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)[:26].rstrip("Z") + "+00:00") if text else None


def _end_of(order: Mapping[str, Any]) -> datetime:
    ends = [moment for name in _ENDS if (moment := _moment(order.get(name))) is not None]
    return min(ends, default=_FUTURE)


def _own(orders: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (one for one in orders if parse_own_id(str(one["client_order_id"])) is not None)


def _twice(books: Books) -> list[str]:
    ids = Counter(str(one["client_order_id"]) for one in books.orders)
    found = [f"{name} stands {count} times" for name, count in ids.items() if count > 1]
    for symbol, changes in _changes(books.orders).items():
        held = Decimal(0)
        for at, qty, order in changes:
            if qty > 0 and held > 0 and _in_window(at, at, books):
                found.append(f"{symbol}: {order['client_order_id']} bought more of what is held")
            held += qty
    return found


def _lost(books: Books) -> list[str]:
    known = {str(one.get("client_order_id")) for one in books.lines} | books.recorded
    unknown = [
        f"{one['client_order_id']} stands at the broker, and in no book of ours"
        for one in _own(books.orders)
        if one["client_order_id"] not in known and _began_within(one, books)
    ]
    unknown += [
        f"{one['client_order_id']} lives at the broker, and neither state nor journal knows it"
        for one in _own(books.orders)
        if _end_of(one) == _FUTURE and one["client_order_id"] not in books.recorded
    ]
    unknown += books.astray
    if books.audit and not books.audit.get("is_whole"):
        unknown.append(f"the exchange's books differ from their log: {books.audit}")
    return unknown


Change = tuple[datetime, Decimal, Mapping[str, Any]]


def _changes(orders: Sequence[Mapping[str, Any]]) -> dict[str, list[Change]]:
    """Return by symbol what fills did to the position, in order of time."""
    found: dict[str, list[Change]] = {}
    for one in orders:
        qty = Decimal(str(one.get("filled_qty") or 0))
        at = _moment(one.get("filled_at")) or _end_of(one)
        if qty:
            signed = qty if one["side"] == "buy" else -qty
            found.setdefault(str(one["symbol"]), []).append((at, signed, one))
    for changes in found.values():
        changes.sort(key=lambda change: (change[0], change[1]))
    return found


def uncovered(books: Books) -> list[tuple[str, datetime, float]]:
    """Return symbol, begin and market seconds of every gap in a position's protection.

    A stop that is held by the broker protects, and so does a market order that ends the position.
    """
    gaps = []
    until = _moment(books.window[1]) or _FUTURE
    for symbol, changes in _changes(books.orders).items():
        guards = [
            (_moment(one.get("submitted_at")) or _FUTURE, _end_of(one), Decimal(str(one["qty"])))
            for one in books.orders
            if one["symbol"] == symbol
            and one["side"] == "sell"
            and one["type"] in (*STOPS, "market")
        ]
        edges = {at for at, _, _ in changes} | {edge for guard in guards for edge in guard[:2]}
        line = sorted({edge for edge in edges if edge < until} | {until})
        since: datetime | None = None
        for at in line:
            held = sum((qty for moment, qty, _ in changes if moment <= at), Decimal(0))
            safe = sum((qty for begin, end, qty in guards if begin <= at < end), Decimal(0))
            if held > safe and at < until:
                since = since or at
            elif since is not None:
                gaps.append((symbol, since, (at - since).total_seconds()))
                since = None
    return gaps


def _in_window(begin: datetime, end: datetime, books: Books) -> bool:
    first, last = (_moment(text) for text in books.window)
    return first is not None and last is not None and begin <= last and end >= first


def _began_within(order: Mapping[str, Any], books: Books) -> bool:
    at = _moment(order.get("submitted_at"))
    return at is not None and _in_window(at, at, books)


def _unprotected(books: Books) -> list[str]:
    return [
        f"{symbol} had no stop for {seconds:.1f} s of market time from {begin.isoformat()}"
        for symbol, begin, seconds in uncovered(books)
        if seconds > UNCOVERED_S_MAX and _in_window(begin, begin, books)
    ]


def forbidden_entries(books: Books, samples: Sequence[Sample]) -> list[str]:
    """Return the entries that were intended well inside a time in which none was allowed."""
    found = []
    for begin, end in spans(samples, lambda sample: sample.trading != ACTIVE):
        for line in books.lines:
            at_s = line.get("at_s")
            if line.get("event") != "intent" or line.get("role") != ENTRY or at_s is None:
                continue
            if begin + BEAT_S < float(at_s) < end - BEAT_S:
                found.append(f"{line['client_order_id']} was intended while nothing was allowed")
    return found


def _over_limit(books: Books) -> list[str]:
    equity = Decimal(books.equity)
    costs = {str(one["symbol"]): abs(Decimal(str(one["cost_basis"]))) for one in books.positions}
    found = list(_too_much(costs, equity))
    held: dict[str, Decimal] = {}
    spent: dict[str, Decimal] = {}
    fills = [
        (*change, symbol) for symbol, line in _changes(books.orders).items() for change in line
    ]
    for at, qty, order, symbol in sorted(fills, key=lambda fill: (fill[0], fill[1])):
        before = held.get(symbol, Decimal(0))
        held[symbol] = before + qty
        if qty > 0:
            price = Decimal(str(order.get("filled_avg_price") or 0))
            spent[symbol] = spent.get(symbol, Decimal(0)) + qty * price
        elif before > 0:
            spent[symbol] = spent.get(symbol, Decimal(0)) * max(held[symbol], Decimal(0)) / before
        spent = {name: cost for name, cost in spent.items() if held[name] > 0}
        if qty > 0 and _in_window(at, at, books):
            found += (f"{at.isoformat()}: {told}" for told in _too_much(spent, equity * SLACK))
    return found


def _too_much(costs: Mapping[str, Decimal], equity: Decimal) -> Iterator[str]:
    if len(costs) > POSITIONS_MAX:
        yield f"{len(costs)} positions"
    if sum(costs.values()) > EXPOSURE_MAX * equity:
        yield f"{sum(costs.values())} USD are exposed of {equity}"
    for name, cost in costs.items():
        if cost > SYMBOL_MAX * equity:
            yield f"{name}: {cost} USD of {equity}"


def false_ok(row: Row, samples: Sequence[Sample], moments: Moments) -> list[str]:
    """Return the times in which health said OK although trading was dead."""
    dead = spans(samples, lambda one: one.overall == OK and not one.bot_works)
    found = [
        f"OK for {end - begin:.1f} s with a bot that did nothing"
        for begin, end in dead
        if end - begin > DEAD_TOLD_S
    ]
    if ACTIVE in row.expected.trading or moments.over_s is None:
        return found
    first, last = moments.injected_s + row.bounds.detect_s, moments.over_s
    return found + [
        f"OK from {begin - moments.injected_s:.1f} s to {end - moments.injected_s:.1f} s"
        for begin, end in spans(samples, lambda one: one.overall == OK)
        if min(end, last) > max(begin, first)
    ]


def breaches(
    row: Row, books: Books, samples: Sequence[Sample], moments: Moments
) -> dict[Invariant, list[str]]:
    """Return for every invariant of the row what broke it; empty lists where nothing did."""
    judges: Mapping[Invariant, Callable[[], list[str]]] = MappingProxyType(
        {
            Invariant.NO_ORDER_TWICE: lambda: _twice(books),
            Invariant.NO_ORDER_LOST: lambda: _lost(books),
            Invariant.ALWAYS_A_STOP: lambda: _unprotected(books),
            Invariant.NO_FORBIDDEN_ENTRY: lambda: forbidden_entries(books, samples),
            Invariant.NO_LIMIT_EXCEEDED: lambda: _over_limit(books),
            Invariant.NO_SECRET_IN_A_LOG: lambda: [
                f"a secret stands in {one}" for one in books.leaks
            ],
            Invariant.NEVER_OK_WHEN_DEAD: lambda: false_ok(row, samples, moments),
            Invariant.NO_BETTER_PAGE: lambda: better_pages(books.pages),
            Invariant.PEOPLE_ARE_TOLD: lambda: untold(samples, books),
        }
    )
    return {name: judges[name]() for name in row.invariants}
