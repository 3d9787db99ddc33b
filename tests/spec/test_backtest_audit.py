"""The independent recount and the measures of a backtest, at their edges."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading_bot.backtest.audit import (
    Booking,
    Claims,
    disagreements,
    fill_booking,
    recount,
)
from services.trading_bot.backtest.bars import Closes, Spreads, minutes_of
from services.trading_bot.backtest.charts import curve_svg
from services.trading_bot.backtest.measures import (
    CostedFill,
    daily_closes,
    daily_returns,
    drawdown_curve,
    sharpe,
    spread_paid,
    win_rate,
)
from services.trading_bot.backtest.result import thinned
from services.trading_bot.report import EquityPoint, max_drawdown

pytestmark = pytest.mark.unit

D = Decimal
NOON = datetime(2019, 2, 11, 17, 0, tzinfo=UTC)


def a_point(minute: int, equity: str) -> EquityPoint:
    """Equity so many minutes after noon."""
    return EquityPoint((NOON + timedelta(minutes=minute)).isoformat(), D(equity))


def a_fill(role: str, symbol: str = "SPY", price: str = "100.00") -> CostedFill:
    """Ten shares at noon."""
    return CostedFill(symbol, NOON, D(10), D(price), role)


def test_recount_when_a_position_opens_and_closes_in_parts_then_cash_and_profit_are_exact() -> None:
    """Partial fills of entry and exit make one round trip, to the cent."""
    bookings = [
        fill_booking("1", "SPY", "buy", D(6), D("10.01")),
        fill_booking("2", "SPY", "buy", D(4), D("10.02")),
        fill_booking("3", "SPY", "sell", D(7), D("10.10")),
        fill_booking("4", "MSFT", "buy", D(1), D("50.00")),
        fill_booking("5", "SPY", "sell", D(3), D("9.99")),
    ]

    found = recount(D(1_000), bookings)

    assert [(trip.symbol, trip.entered_at, trip.exited_at) for trip in found.round_trips] == [
        ("SPY", "1", "5")
    ]
    assert found.realized == D("0.53")
    assert found.cash == D("950.53")
    assert found.open_shares == {"MSFT": D(1)}


def test_recount_when_shares_split_over_night_then_no_profit_or_loss_appears() -> None:
    """7 for 1: seven times the shares at a seventh of the price is no loss; cash does not move."""
    bookings = [
        fill_booking("1", "AAPL", "buy", D(7), D("645.00")),
        Booking("2", "AAPL", D(0), D(42), is_fill=False),
        fill_booking("3", "AAPL", "sell", D(49), D("92.50")),
    ]

    found = recount(D(10_000), bookings)

    assert found.open_shares == {}
    assert found.realized == D("17.50")
    assert found.cash == D("10017.50")


def test_recount_when_a_fee_is_taken_then_cash_alone_falls() -> None:
    """What concerns the account as a whole belongs to no trade."""
    found = recount(D(100), [Booking("1", "", D("-1.25"), D(0), is_fill=False)])

    assert (found.cash, found.realized, found.open_shares) == (D("98.75"), D(0), {})


def test_disagreements_when_one_cent_is_off_then_it_is_said() -> None:
    """Cash, a trade's profit and open shares are each held against the books."""
    found = recount(
        D(100),
        [fill_booking("1", "X", "buy", D(1), D(10)), fill_booking("2", "X", "sell", D(1), D(11))],
    )
    right = Claims(D("101.00"), (("X", D("1.00")),), {})

    assert disagreements(found, right) == ()
    assert len(disagreements(found, Claims(D("101.01"), right.trade_pnls, {}))) == 1
    assert len(disagreements(found, Claims(D("101.00"), (("X", D("1.01")),), {}))) == 2
    assert len(disagreements(found, Claims(D("101.00"), (), {}))) == 1
    assert len(disagreements(found, Claims(D("101.00"), right.trade_pnls, {"X": D(1)}))) == 1


@given(
    st.lists(
        st.tuples(st.integers(1, 99), st.integers(1, 99_999), st.integers(1, 99_999)), max_size=20
    )
)
def test_recount_when_every_trade_is_closed_then_profit_is_the_change_of_cash(
    trades: list[tuple[int, int, int]],
) -> None:
    """Realized profit and the change of cash are the same thing seen twice."""
    bookings = []
    for number, (qty, bought, sold) in enumerate(trades):
        price = (D(bought) / 100, D(sold) / 100)
        bookings.append(fill_booking(f"{number}a", "X", "buy", D(qty), price[0]))
        bookings.append(fill_booking(f"{number}b", "X", "sell", D(qty), price[1]))

    found = recount(D(0), bookings)

    assert found.cash == found.realized
    assert len(found.round_trips) == len(trades)


def test_fill_booking_when_the_side_is_none_then_it_is_refused() -> None:
    """A side that nobody knows must not count as a buy."""
    with pytest.raises(ValueError, match="side"):
        fill_booking("1", "X", "short", D(1), D(1))


def test_sharpe_when_worked_out_by_hand_then_it_is_that() -> None:
    """Returns of 1 % and 3 %: mean 2 %, deviation 1.4142 %, times the root of 252."""
    assert sharpe((0.01, 0.03)) == pytest.approx(0.02 / math.sqrt(0.0002) * math.sqrt(252))


@pytest.mark.parametrize("returns", [(), (0.01,), (0.0, 0.0), (0.01, 0.01)])
def test_sharpe_when_nothing_can_be_said_then_none(returns: tuple[float, ...]) -> None:
    """No day, one day, or no deviation: no ratio rather than infinity."""
    assert sharpe(returns) is None


def test_daily_returns_when_two_days_then_each_counts_from_the_one_before() -> None:
    """The last point of each New York day counts, the first day from the cash at the start."""
    points = [a_point(0, "100"), a_point(60, "110"), a_point(24 * 60, "99")]

    closes = daily_closes(points)

    assert [point.equity for point in closes] == [D(110), D(99)]
    assert daily_returns(D(100), closes) == pytest.approx((0.1, -0.1))
    assert win_rate(1, 3) == 0.25
    assert win_rate(0, 0) is None


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=60))
def test_drawdown_curve_when_drawn_then_its_depth_is_that_of_the_replay_report(
    equities: list[int],
) -> None:
    """Curve and report use one measure; thinning keeps the deepest point and both ends."""
    points = [a_point(minute, str(equity)) for minute, equity in enumerate(equities)]

    assert max(drawdown_curve(points)) == pytest.approx(float(max_drawdown(points)))
    kept = thinned(points, 10)
    assert kept[0] == 0
    assert kept[-1] == len(points) - 1
    assert min(points[one].equity for one in kept) == min(equities)


def test_spread_paid_when_a_target_rested_then_it_cost_nothing(tmp_path: Path) -> None:
    """2 bps of 100 dollars are 2 cents wide: a taker pays one cent a share; recorded quotes win."""
    spreads = Spreads(tmp_path, D(2))
    fills = [a_fill("entry"), a_fill("target"), a_fill("stop"), a_fill("exit", price="5.00")]

    assert spread_paid(fills, spreads.half) == D("0.25")

    (tmp_path / "quotes").mkdir()
    (tmp_path / "quotes" / "SPY_1min_quote.csv").write_text(
        "timestamp,bid_close,bid_size,ask_close,ask_size\n2019-02-11T16:59:00Z,99.9,1,100.1,1\n"
        "2019-02-11T16:59:30Z,rotten,1,100.1,1\n",
        encoding="utf-8",
    )
    assert spread_paid(fills, Spreads(tmp_path, D(2)).half) == D("3.00")


def test_bars_when_rows_are_damaged_then_the_others_are_read(tmp_path: Path) -> None:
    """A row that means nothing costs itself, in the count, in the minutes and in the closes."""
    whole = [f"2019-02-11T14:{minute}:00Z,1,1,1,{minute},5" for minute in (30, 31, 32)]
    damaged = ["2019-02-11", "2019-02-11T99:00:00Z,1,1,1,7,5", "2019-02-11T14:33:00,1,1,1,8,5", ""]
    odd = ["2019-02-11T14:34:00Z,1,1,1,NaN,5", "2019-02-11T14:35:00Z,1,1,1,x,5", "\x00,,,"]
    path = tmp_path / "ACME_1min.csv"
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *whole, *damaged, *odd]))

    count, minutes = minutes_of((path,), NOON.date(), NOON.date())
    closes = Closes((path,))

    assert (count, len(minutes)) == (5, 5)
    assert closes.last("ACME", NOON) == (NOON.replace(hour=14, minute=33), D(32))
    assert closes.last("ACME", NOON.replace(hour=14, minute=31)) == (
        NOON.replace(hour=14, minute=31),
        D(30),
    )
    assert closes.last("ACME", NOON.replace(hour=14, minute=30)) is None
    assert closes.last("OTHER", NOON) is None


def test_curve_when_a_title_is_hostile_then_the_page_is_safe() -> None:
    """Whatever a file calls its symbol, it stays text."""
    drawn = curve_svg("<script>", [1.0, 1.0], ("<a>", "<b>"), [(0.0, 1.0, "won", '<i x="1">')])

    assert "<script>" not in drawn
    assert "<i " not in drawn
    assert "nothing to draw" in curve_svg("x", [], ("", ""))
