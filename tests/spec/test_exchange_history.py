"""Portfolio history, lagging positions and prices over a split: pure, by table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from services.exchange_sim.lagging import LaggingPositions
from services.exchange_sim.market.calendar import NyseCalendar, sessions_between
from services.exchange_sim.market.port import Session
from services.exchange_sim.movements import Movement, MovementKind
from services.exchange_sim.portfolio_history import (
    Base,
    HistoryQuery,
    Point,
    history_document,
    read_query,
    stock_of,
    values,
    windows,
)
from services.exchange_sim.records import Refusal, SimFill, SimPosition
from shared.models.orders import OrderStatus, Side

pytestmark = pytest.mark.unit
TODAY = date(2026, 1, 30)
MONDAY = date(2026, 1, 5)


def sessions(first: date, last: date) -> list[Session]:
    """Return the real calendar's sessions."""
    return list(sessions_between(NyseCalendar(), first, last))


@pytest.mark.parametrize(
    ("words", "first", "timeframe"),
    [
        ({}, date(2025, 12, 31), "1D"),
        ({"period": "1D"}, TODAY, "1Min"),
        ({"period": "2D"}, date(2026, 1, 28), "1Min"),
        ({"period": "2W"}, date(2026, 1, 16), "15Min"),
        ({"period": "1A", "timeframe": "1D"}, date(2025, 1, 30), "1D"),
        ({"period": "1W", "timeframe": "1H"}, date(2026, 1, 23), "1H"),
        ({"start": "2026-01-28T00:00:00Z"}, date(2026, 1, 28), "1Min"),
    ],
)
def test_history_query_when_words_are_left_out_then_the_documents_defaults_hold(
    words: dict[str, str], first: date, timeframe: str
) -> None:
    """A month; one minute below 7 days, 15 below 30, else days."""
    query = read_query(words, TODAY)

    assert (query.first, query.last, query.timeframe) == (first, TODAY, timeframe)


@pytest.mark.parametrize(
    "words",
    [
        {"period": "0D"},
        {"period": "1Y"},
        {"period": "month"},
        {"timeframe": "2Min"},
        {"period": "1M", "timeframe": "1Min"},
        {"period": "3M", "timeframe": "15Min"},
        {"date_end": "yesterday"},
        {"pnl_reset": "weekly"},
        {"intraday_reporting": "sometimes"},
        {"start": "2026-01-02", "end": "2026-01-09", "period": "1W"},
    ],
)
def test_history_query_when_a_word_is_wrong_then_422(words: dict[str, str]) -> None:
    """A period that is none, a timeframe that is none or too fine for the period."""
    with pytest.raises(Refusal) as refused:
        read_query(words, TODAY)

    assert refused.value.status == 422


@pytest.mark.parametrize("start", [date(2026, 1, 31), date.max])
def test_history_query_when_it_starts_after_today_then_it_ends_today(start: date) -> None:
    """A period from then on holds no day, however late that is."""
    query = read_query({"start": start.isoformat(), "period": "50A", "timeframe": "1D"}, TODAY)

    assert (query.first, query.last) == (start, TODAY)


def test_windows_when_a_session_runs_then_the_running_one_is_cut_at_now() -> None:
    """390 minutes a day, hours from 09:30 on; the running window ends now, none is ahead."""
    monday = sessions(MONDAY, MONDAY)
    now = datetime(2026, 1, 5, 15, 45, tzinfo=UTC)

    hours = windows(HistoryQuery(MONDAY, MONDAY, "1H"), monday, now)
    minutes = windows(HistoryQuery(MONDAY, MONDAY, "1Min"), monday, now + timedelta(days=1))
    early = windows(
        HistoryQuery(MONDAY, MONDAY, "1H", extended_hours=True), monday, now + timedelta(days=1)
    )

    assert [(begins.hour, end.minute) for begins, end, _ in hours] == [(14, 30), (15, 45)]
    assert len(minutes) == 390
    assert len(early) == 16


def fill(seq: int, at: datetime, qty: int, price: int) -> SimFill:
    """Return a buy."""
    return SimFill(
        seq, f"e{seq}", "o", "AAA", Side.BUY, Decimal(qty), Decimal(price), Decimal(qty),
        Decimal(0), OrderStatus.FILLED, Decimal(qty), at,
    )  # fmt: skip


def test_values_when_told_backwards_then_each_moment_has_its_own_books() -> None:
    """Before the buy only cash, after it shares at the moment's price, after the deposit more."""
    start = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
    hour = timedelta(hours=1)
    bought = fill(1, start + hour, 10, 100)
    paid = Movement(2, "m", MovementKind.DEPOSIT, start + 3 * hour, Decimal(500))
    stock = stock_of(Decimal(99_500), [SimPosition("AAA", Decimal(10), Decimal(1000))])
    moments = [start, start + hour, start + 2 * hour, start + 3 * hour]

    worth = values(
        moments, stock, [paid, bought], lambda _, at: Decimal(100 + (at - start) // hour)
    )

    assert worth == [100_000, 100_010, 100_020, 100_530]


def test_history_when_money_is_paid_in_then_it_is_no_profit() -> None:
    """Gains are measured from the close before, less transfers; each day begins anew."""
    close = datetime(2026, 1, 2, 21, 0, tzinfo=UTC)
    opens = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    hour, day = timedelta(hours=1), timedelta(days=1)
    points = [
        Point(opens, opens + hour, MONDAY, Decimal(1010)),
        Point(opens + hour, opens + 2 * hour, MONDAY, Decimal(1520)),
        Point(opens + day, opens + day + hour, MONDAY + day, Decimal(1500)),
    ]
    deposit = Movement(1, "m", MovementKind.DEPOSIT, opens + hour * 3 / 2, Decimal(500))
    base = Base(Decimal(1000), close, "2026-01-02")

    daily = history_document(HistoryQuery(MONDAY, MONDAY, "1H"), points, base, [deposit])
    whole = history_document(
        HistoryQuery(MONDAY, MONDAY, "1H", resets_daily=False), points, base, [deposit]
    )

    assert daily["profit_loss"] == [10.0, 20.0, -20.0]
    assert whole["profit_loss"] == [10.0, 20.0, 0.0]
    assert daily["profit_loss_pct"] == [0.01, 0.02, -0.013158]
    assert (daily["base_value"], daily["base_value_asof"]) == (1000.0, "2026-01-02")
    assert daily["timestamp"] == [int(point.begins.timestamp()) for point in points]


def test_history_query_when_it_has_a_start_and_a_period_then_it_ends_by_itself() -> None:
    """From the start on for as long as the period says, but not beyond today."""
    week = read_query({"start": "2026-01-05", "period": "1W", "timeframe": "1D"}, TODAY)
    month = read_query({"start": "2026-01-05", "period": "1M", "timeframe": "1D"}, TODAY)
    day = read_query({"start": "2026-01-05", "period": "1D"}, TODAY)

    assert (week.first, week.last) == (date(2026, 1, 5), date(2026, 1, 12))
    assert (month.first, month.last) == (date(2026, 1, 5), TODAY)
    assert (day.first, day.last, day.timeframe) == (MONDAY, MONDAY, "1Min")


@pytest.mark.parametrize(
    ("types", "flows"),
    [
        ("", None),
        ("NONE", None),
        ("ALL", {"CSD": [0.0, 500.0], "FEE": [-0.02, 0.0]}),
        ("fee,DIV", {"FEE": [-0.02, 0.0]}),
    ],
)
def test_history_when_cash_flows_are_asked_for_then_each_window_has_its_own(
    types: str, flows: dict[str, list[float]] | None
) -> None:
    """Of every kind that occurred, or of those that are named; without the words none."""
    opens, hour = datetime(2026, 1, 5, 14, 30, tzinfo=UTC), timedelta(hours=1)
    points = [
        Point(opens + number * hour, opens + (number + 1) * hour, MONDAY, Decimal(1000))
        for number in range(2)
    ]
    moved = [
        Movement(2, "d", MovementKind.DEPOSIT, opens + 2 * hour, Decimal(500)),
        Movement(1, "f", MovementKind.FEE, opens + hour, Decimal("-0.02")),
    ]
    query = read_query({"timeframe": "1H", "period": "1D", "cashflow_types": types}, TODAY)

    document = history_document(query, points, Base(Decimal(1000), opens), moved)

    assert document.get("cashflow") == flows
    assert document["profit_loss"] == [0.0, -500.0]


def test_history_when_nothing_was_then_the_arrays_are_empty() -> None:
    """An account that begins later has no points, and still a base."""
    now = datetime(2026, 1, 5, tzinfo=UTC)
    query = HistoryQuery(MONDAY, MONDAY, "1D")

    document = history_document(query, [], Base(Decimal(5), now), [])

    assert (document["timestamp"], document["equity"], document["base_value"]) == ([], [], 5.0)


def test_positions_when_they_lag_then_the_state_of_then_is_shown() -> None:
    """Two seconds behind: what changed one second ago is not there yet; without lag it is."""
    start = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
    second = timedelta(seconds=1)
    one = {"AAA": SimPosition("AAA", Decimal(1), Decimal(100))}
    lagging = LaggingPositions(start, {})
    lagging.note(start + 3 * second, one, 2.0)
    lagging.note(start + 4 * second, {}, 2.0)

    assert lagging.seen(start + 4 * second, 2.0) == {}
    assert lagging.seen(start + 5 * second, 2.0) == one
    assert lagging.seen(start + 6 * second, 2.0) == {}
    assert lagging.seen(start + 4 * second, 0.0) == {}
    assert lagging.seen(start + second, 2.0) == {}
