"""When and at what price an order fills, pure.

Two looks at the market. A point is one moment with bid, ask and the last trade: market and
marketable orders fill at the quote, stops are elected by the last trade and then fill like
market orders, so a gap fills at the opening quote. A range is a minute of which only high and
low are known: a stop that was touched fills at its price, a limit that was reached at its
limit; the caller asks the stops first, since nobody knows which came first.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.exchange_sim.account import working_limit
from services.exchange_sim.records import SimOrder
from shared.models.market import Candle
from shared.models.numbers import round_to_tick
from shared.models.orders import OrderType, Side, TimeInForce

STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


@dataclass(frozen=True, slots=True)
class Point:
    """One moment of one symbol."""

    bid: Decimal
    ask: Decimal
    last: Decimal


@dataclass(frozen=True, slots=True)
class Span:
    """One finished minute of one symbol and half its spread in dollars."""

    candle: Candle
    half_spread: Decimal


class Step(StrEnum):
    """What happens to an order."""

    REST = "rest"
    ELECT = "elect"
    """A stop-limit was touched and rests as a limit from now on."""
    FILL = "fill"
    CANCEL = "cancel"
    """Now or never, and not now."""


@dataclass(frozen=True, slots=True)
class Match:
    """The verdict on one order; `price` is there for a fill."""

    step: Step
    price: Decimal | None = None


REST = Match(Step.REST)
ELECT = Match(Step.ELECT)
CANCEL = Match(Step.CANCEL)


def _filled(price: Decimal) -> Match:
    return Match(Step.FILL, price)


def is_waiting_stop(order: SimOrder) -> bool:
    """Whether the order waits for its stop price."""
    return order.type in STOPS and not order.triggered


def _touched(order: SimOrder, highest: Decimal, lowest: Decimal) -> bool:
    stop = order.stop_price
    if stop is None:
        return False
    return highest >= stop if order.side is Side.BUY else lowest <= stop


def _within_limit(order: SimOrder, price: Decimal) -> bool:
    limit = working_limit(order)
    return limit is None or (price <= limit if order.side is Side.BUY else price >= limit)


def match_auction(order: SimOrder, price: Decimal) -> Match:
    """Return what an auction order does at the auction's one price: it fills, or it is over."""
    return _filled(price) if _within_limit(order, price) else CANCEL


def match_point(order: SimOrder, point: Point) -> Match:
    """Return what the order does at that moment."""
    price = point.ask if order.side is Side.BUY else point.bid
    if price <= 0:
        return REST
    elected = False
    if is_waiting_stop(order):
        if not _touched(order, point.last, point.last):
            return REST
        elected = True
    if _within_limit(order, price):
        return _filled(price)
    if order.time_in_force in IMMEDIATE:
        return CANCEL
    return ELECT if elected else REST


def match_stop_in_span(order: SimOrder, span: Span) -> Match:
    """Return what a waiting stop does in that minute; everything else rests."""
    stop = order.stop_price
    if stop is None or not is_waiting_stop(order):
        return REST
    if not _touched(order, span.candle.high, span.candle.low):
        return REST
    buying = order.side is Side.BUY
    price = round_to_tick(stop + span.half_spread if buying else stop - span.half_spread)
    return _filled(price) if _within_limit(order, price) else ELECT


def match_limit_in_span(order: SimOrder, span: Span) -> Match:
    """Return what a resting limit does in that minute; everything else rests."""
    limit = working_limit(order)
    if limit is None or is_waiting_stop(order):
        return REST
    if order.side is Side.BUY:
        reached = span.candle.low + span.half_spread <= limit
    else:
        reached = span.candle.high - span.half_spread >= limit
    return _filled(limit) if reached else REST
