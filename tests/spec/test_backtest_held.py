"""Limits and stops are recounted from the fills, and every break of one is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.trading_bot.backtest.audit import Booking, fill_booking
from services.trading_bot.backtest.broker_orders import stops_of
from services.trading_bot.backtest.limits_held import Evidence, broken_limits
from services.trading_bot.backtest.stops_held import StopSpan, bare_stretches
from services.trading_bot.report import EquityPoint
from shared.models.limits import Limits

pytestmark = pytest.mark.unit

D = Decimal
OPEN = datetime(2014, 6, 6, 13, 30, tzinfo=UTC)
SYMBOLS = tuple("ABCDEFGHIJKL")


def at(minute: float) -> datetime:
    """So many minutes after the opening."""
    return OPEN + timedelta(minutes=minute)


def a_point(minute: float, equity: str = "100000") -> EquityPoint:
    """Equity at a minute."""
    return EquityPoint(at(minute).isoformat().replace("+00:00", ".000Z"), D(equity))


def buy(minute: float, symbol: str = "A", qty: int = 40, price: str = "100") -> Booking:
    """An entry's fill; its order is named by symbol and minute."""
    made = fill_booking(at(minute).isoformat(), symbol, "buy", D(qty), D(price))
    return replace(made, order_id=f"{symbol}{minute}")


def sell(minute: float, symbol: str = "A", qty: int = 40, order: str = "") -> Booking:
    """An exit's fill at 100."""
    made = fill_booking(at(minute).isoformat(), symbol, "sell", D(qty), D(100))
    return replace(made, order_id=order)


def broken(
    bookings: Sequence[Booking],
    points: Sequence[EquityPoint] = (a_point(-1440), a_point(0)),
    limits: Limits | None = None,
    **other: Any,
) -> tuple[str, ...]:
    """Recount with closes of 100 and stops at 99 unless said otherwise."""
    stops = {booking.order_id: D(99) for booking in bookings}
    facts = Evidence(limits or Limits(), points, lambda *_: (at(0), D(100)), stops)
    return broken_limits(bookings, replace(facts, **other))


def test_limits_when_every_entry_fits_then_nothing_is_said() -> None:
    """Six positions of 4.8 percent fill 28.8 of 30 percent; an exit and a later entry fit too."""
    bookings = [buy(1 + n / 10, symbol, 48) for n, symbol in enumerate("ABCDEF")]

    assert broken([*bookings, sell(20, "A", 48), buy(25.1, "A", 48)]) == ()


@pytest.mark.parametrize(
    ("bookings", "changes", "words"),
    [
        ([buy(1, qty=51)], {}, "position 5100"),
        ([buy(1, qty=151)], {"position_limit_pct": D(1)}, "concentration 15100"),
        ([buy(1)], {"position_size_usd_max": D(3999)}, "position 4000"),
        ([buy(1)], {"notional_per_order_usd_max": D(3999)}, "order 4000"),
        ([buy(1 + n / 10, s, 49) for n, s in enumerate("ABCDEFG")], {}, "exposure 34300"),
        ([buy(1 + n / 10, s, 9) for n, s in enumerate(SYMBOLS)], {}, "open positions 11"),
        (
            [buy(1 + n / 100, s, 1) for n, s in enumerate("AB")],
            {"orders_per_minute_max": 1},
            "2 of",
        ),
        ([buy(1), sell(5), buy(9.9)], {}, "0:04:54 after it was left"),
        ([buy(1), sell(2, qty=41)], {}, "-1 shares, sold below 0"),
        ([buy(1)], {"risk_per_trade_pct": D("0.0003")}, "trade risk 40"),
        ([buy(1), buy(2, "B")], {"total_open_risk_pct": D("0.0007")}, "open risk 80"),
    ],
)
def test_limits_when_one_is_broken_then_it_is_named_with_its_numbers(
    bookings: list[Booking], changes: dict[str, Any], words: str
) -> None:
    """Each limit is judged by itself, at the fill that breaks it."""
    said = broken(bookings, limits=replace(Limits(), **changes))

    assert said
    assert all(words.partition(" ")[0] in one or words in one for one in said)
    assert words in said[0]


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ((a_point(-1440), a_point(0, "98041")), ""),
        ((a_point(-1440), a_point(0, "98039")), "loss of the day 1961"),
        ((a_point(-1441, "111112"), a_point(-1440), a_point(0)), "drawdown 0.1000"),
        ((a_point(-1441, "111111"), a_point(-1440), a_point(0)), ""),
        ((a_point(2),), "before any equity was known"),
    ],
)
def test_limits_when_money_was_lost_then_no_entry_may_follow(
    points: tuple[EquityPoint, ...], words: str
) -> None:
    """Two percent of a day and ten from the peak end entering, at the very edge."""
    said = broken([buy(1)], points)

    assert (words in said[0]) if words else said == ()


def test_limits_when_prices_rose_then_exposure_counts_what_is_held_now() -> None:
    """Held shares count at their last close; over a split a close from before it says nothing."""
    held = [buy(1, "A", 48), buy(2, "B", 48)]
    split = Booking(at(3).isoformat(), "A", D(0), D(6 * 48), is_fill=False)

    def dear(symbol: str, _: datetime) -> tuple[datetime, Decimal]:
        return at(0), D(500 if symbol == "A" else 100)

    assert "exposure 28800.0000" not in broken(held, close_of=dear)
    over = broken([*held, buy(4, "C", 48)], close_of=dear)
    assert ["exposure 33600" in one for one in over if "exposure" in one] == [True]
    assert not any("exposure" in one for one in broken([*held, split, buy(4, "C")], close_of=dear))


def test_limits_when_shares_split_then_their_risk_is_counted_to_the_split_stop() -> None:
    """A stop of before the split says 99 of shares that are worth 14.30 now."""
    split = Booking(at(2).isoformat(), "A", D(0), D(6 * 48), is_fill=False)
    limits = replace(Limits(), total_open_risk_pct=D("0.0009"))

    def halved(symbol: str, _: datetime) -> tuple[datetime, Decimal]:
        return at(3), D("14.30") if symbol == "A" else D(100)

    (said,) = broken([buy(1, qty=48), split, buy(4, "B")], limits=limits, close_of=halved)
    assert "open risk 92.8000, at most 90" in said


MINUTES = [at(n) for n in range(390)]
BOUGHT, SOLD = buy(1), sell(9, order="S")
STOP = StopSpan("A", "S", D(40), at(1), at(9))


@pytest.mark.parametrize(
    ("bookings", "stops", "words"),
    [
        ([BOUGHT, SOLD], [STOP], ""),
        ([BOUGHT, SOLD], [replace(STOP, since=at(1.9))], ""),
        ([BOUGHT, SOLD], [replace(STOP, since=at(3.1))], "40 shares without a stop"),
        ([BOUGHT, SOLD], [replace(STOP, qty=D(39)), replace(STOP, order_id="T", qty=D(1))], ""),
        ([BOUGHT, SOLD], [replace(STOP, qty=D(39))], "1 shares without a stop"),
        ([BOUGHT, SOLD], [], "40 shares without a stop"),
        ([BOUGHT], [replace(STOP, until=None)], ""),
        ([BOUGHT], [replace(STOP, until=at(5))], "for 385 minutes"),
        ([BOUGHT, sell(9, order="X")], [STOP], ""),
        ([buy(400)], [], ""),
    ],
)
def test_stops_when_recounted_then_every_bare_share_is_said(
    bookings: list[Booking], stops: list[StopSpan], words: str
) -> None:
    """A minute passes, for the bot is asked once in it; outside of sessions nothing is bare."""
    said = bare_stretches(bookings, stops, MINUTES)

    assert (words in said[0]) if words else said == ()


def an_order(name: str, role: str, **other: Any) -> dict[str, Any]:
    """An order as the exchange's books keep it."""
    stamps = {"created_at": at(1).isoformat(), "updated_at": at(7).isoformat()}
    return {"id": name, "role": role, "symbol": "A", "qty": "40", "status": "new"} | stamps | other


def test_stops_when_read_from_the_books_then_each_protects_from_when_to_when_it_lived() -> None:
    """A leg protects once its entry is filled completely, others from the start, until they end."""
    entry = {"status": "filled", "filled_at": at(2).isoformat()}
    leg = {"parent_id": "E", "stop_price": "99"}
    orders = [
        an_order("E", "entry", **entry),
        an_order("T", "target", parent_id="E", limit_price="102"),
        an_order("S", "stop", status="replaced", **leg),
        an_order("R", "stop", replaces="S", stop_price="99.50", parent_id="E"),
        an_order("P", "entry", status="canceled", filled_at=at(2).isoformat()),
        an_order("I", "stop", parent_id="P", stop_price="98", status="canceled"),
        an_order("O", "stop", stop_price="97", status="canceled"),
        an_order("M", "single", type="market", side="sell", status="filled"),
        an_order("B", "single", type="market", side="buy"),
    ]

    found = stops_of(orders)

    assert found.of_entries == {"E": D(99), "P": D(98)}
    assert [(span.order_id, span.since, span.until) for span in found.spans] == [
        ("S", at(2), at(7)),
        ("R", at(1), None),
        ("O", at(1), at(7)),
        ("M", at(1), at(7)),
    ]


def test_stops_when_shares_split_over_night_then_the_new_stop_must_stand_by_the_opening() -> None:
    """Seven times the shares before the opening want a stop of seven times the shares by then."""
    bought, split = buy(-60 * 20), Booking(at(-300).isoformat(), "A", D(0), D(240), is_fill=False)
    old = StopSpan("A", "S", D(40), at(-60 * 20), at(-299))
    new = StopSpan("A", "T", D(280), at(-299), None)

    assert bare_stretches([bought, split], [old, new], MINUTES) == ()
    assert bare_stretches([bought, split], [old, replace(new, qty=D(40))], MINUTES)
    assert bare_stretches([bought, split], [old, replace(new, since=at(2))], MINUTES)
    assert bare_stretches([bought, split], [replace(old, until=None)], MINUTES)
