"""The log of activities gives the books again: money and shares are conserved to the last digit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange_sim.account import apply_fill
from services.exchange_sim.cash_desk import move_cash
from services.exchange_sim.codec import from_text, to_text
from services.exchange_sim.corporate_actions import Splitting
from services.exchange_sim.ledger import differences, replayed
from services.exchange_sim.market.rebased import RebasedMarket
from services.exchange_sim.movements import Movement, MovementKind, SplitRecord
from services.exchange_sim.records import Refusal, SimPosition
from services.exchange_sim.splits import exact_ratio, read_splits, split_position
from tests.spec.test_exchange_account import ACTIONS, act
from tests.support.exchange_venue import CASH, SilentMarket, Venue

pytestmark = pytest.mark.unit

RATIOS = [Decimal(7), Decimal("1.5"), Decimal("0.05"), Decimal("0.333333333333"), Decimal("1.0027")]
MORE = st.one_of(
    st.tuples(st.sampled_from(["CSD", "CSW", "FEE", "DIV", "INT"]), st.integers(1, 5_000_000)),
    st.tuples(st.just("split"), st.integers(0, len(RATIOS) - 1)),
    st.tuples(st.just("short"), st.integers(1, 40)),
)


def also(venue: Venue, splitting: Splitting, what: str, number: int) -> None:
    """Do what concerns the account and not an order; a refusal is an answer."""
    try:
        if what == "split":
            splitting.declare("AAA", RATIOS[number], venue.now, venue.now)
        elif what == "short":
            venue.send(side="sell", qty=number)
            venue.trade("AAA", 100)
        else:
            move_cash(venue.books, MovementKind(what), Decimal(number) / 100, venue.now)
    except Refusal:
        return


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(ACTIONS.map(lambda some: ("act", some)), MORE), max_size=20))
def test_activities_when_replayed_then_they_give_the_same_books(
    steps: list[tuple[str, object]],
) -> None:
    """Whatever comes, fills, deposits, fees and splits: cash, positions, costs and gains follow
    from the activities alone, and what came in is what is there.
    """
    venue = Venue()
    splitting = Splitting(venue.books, RebasedMarket(SilentMarket()), venue.tape)
    for what, value in steps:
        if what == "act":
            assert isinstance(value, list)
            for one, number in value:
                act(venue, one, number)
        else:
            assert isinstance(value, int)
            also(venue, splitting, what, value)

    books = venue.books
    ledger = replayed(CASH, books.changes.activities)
    assert differences(ledger, books.account, books.positions) == []
    assert [one.seq for one in books.changes.activities] == list(
        range(1, books.account.activity_count + 1)
    )
    assert books.account.fill_count == len(books.fills)


@given(
    st.lists(
        st.tuples(
            st.decimals("-50", "50", places=3).filter(bool),
            st.decimals("0.0001", "900", places=4),
        ),
        max_size=30,
    )
)
def test_fills_when_summed_then_cash_and_cost_are_what_came_in_and_was_gained(
    fills: list[tuple[Decimal, Decimal]],
) -> None:
    """Cash + cost = opening cash + realized gains, to the last digit, whatever is rounded; flat
    means that no cost is left.
    """
    position: SimPosition | None = None
    cash, realized = CASH, Decimal(0)
    for qty, price in fills:
        effect = apply_fill(position, "AAA", qty, price)
        position, cash = effect.position, cash + effect.cash
        realized += effect.realized

    assert cash + (position.cost if position else 0) == CASH + realized
    assert (position.qty if position else 0) == sum(qty for qty, _ in fills)


def test_differences_when_the_books_are_wrong_then_each_is_named() -> None:
    """A cent too much, a share too few and a position out of nothing are all found."""
    venue = Venue()
    venue.send(qty=10)
    venue.trade("AAA", 100)
    ledger = replayed(CASH, venue.books.changes.activities)
    account, positions = venue.books.account, dict(venue.books.positions)
    assert differences(ledger, account, positions) == []

    richer = replace(account, cash=account.cash + Decimal("0.01"))
    fewer = positions | {"AAA": replace(positions["AAA"], qty=Decimal(9))}
    more = positions | {"BBB": SimPosition("BBB", Decimal(1), Decimal(5))}

    assert [text.split(":")[0][:4] for text in differences(ledger, richer, positions)] == [
        "cash",
        "cash",
    ]
    assert differences(ledger, account, fewer)[0].startswith("AAA: ")
    assert differences(ledger, account, more)[0].startswith("BBB: ")


@pytest.mark.parametrize(
    ("fills", "qty", "cost", "realized"),
    [
        ([(10, 100), (10, 110)], 20, 2100, 0),
        ([(10, 100), (-4, 110)], 6, 600, 40),
        ([(10, 100), (-10, 90)], 0, 0, -100),
        ([(10, 100), (-15, 110)], -5, -550, 100),
        ([(-10, 100), (4, 90)], -6, -600, 40),
        ([(-10, 100), (25, 90)], 15, 1350, 100),
    ],
)
def test_fills_when_they_open_close_and_turn_then_gains_and_costs_follow(
    fills: list[tuple[int, int]], qty: int, cost: int, realized: int
) -> None:
    """Closing realizes against the cost, a fill beyond the position opens the other side."""
    position: SimPosition | None = None
    gained = Decimal(0)
    for shares, price in fills:
        effect = apply_fill(position, "AAA", Decimal(shares), Decimal(price))
        position, gained = effect.position, gained + effect.realized

    assert (position.qty if position else 0) == qty
    assert (position.cost if position else 0) == cost
    assert gained == realized


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("2.00001", "2"),
        ("1.24999", "1.25"),
        ("0.05", "0.05"),
        ("7", "7"),
        ("1.0027", "1.0027"),
        ("0.3333", "0.333333333333"),
    ],
)
def test_ratio_when_a_file_rounded_it_then_the_meant_one_is_taken(text: str, ratio: str) -> None:
    """Ratios of small whole numbers are taken as meant; others as written."""
    assert exact_ratio(text) == Decimal(ratio)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "seven", "1e9", ""])
def test_ratio_when_it_is_none_then_it_is_refused(text: str) -> None:
    """Nothing that would lose or make a fortune is taken."""
    with pytest.raises(ValueError, match="ratio"):
        exact_ratio(text)


def test_splits_file_when_a_row_is_bad_then_the_line_is_named() -> None:
    """The header must be the known one; a bad row is named with its line."""
    header = "symbol,last_date_before,split_factor_before,split_factor_after,ratio"
    good = read_splits([header, "AAPL,2014-06-06,0.0357143,0.25,7"], "splits.csv")
    assert [(one.symbol, one.ratio) for one in good] == [("AAPL", Decimal(7))]

    with pytest.raises(ValueError, match="header"):
        read_splits(["symbol,ratio", "AAPL,7"], "splits.csv")
    with pytest.raises(ValueError, match=r"splits.csv line 2"):
        read_splits([header, "AAPL,2014-06-99,1,7,7"], "splits.csv")


@pytest.mark.parametrize(
    ("qty", "ratio", "new_qty", "cash", "realized"),
    [
        ("10", "7", "70", "0", "0"),
        ("5", "1.5", "7.5", "0", "0"),
        ("110", "0.05", "5", "10.00", "9.09"),
        ("-110", "0.05", "-5", "-10.00", "-9.09"),
        ("3", "0.05", None, "3.00", "2.73"),
    ],
)
def test_split_when_carried_out_then_fractions_of_a_reverse_one_are_paid(
    qty: str, ratio: str, new_qty: str | None, cash: str, realized: str
) -> None:
    """A forward split keeps fractions; a reverse one pays them at 20 dollars a new share, and
    what was paid less what the fraction had cost is the gain.
    """
    shares = Decimal(qty)
    position = SimPosition("AAA", shares, shares * Decimal("0.0909"))

    effect = split_position(position, Decimal(ratio), Decimal(20))

    held = effect.fill.position
    assert (held.qty if held else None) == (Decimal(new_qty) if new_qty else None)
    assert effect.fill.cash == Decimal(cash)
    assert effect.fill.realized.quantize(Decimal("0.01")) == Decimal(realized)
    kept = held.cost if held else Decimal(0)
    assert effect.fill.cash - effect.fill.realized == position.cost - kept


def test_records_when_written_and_read_then_movements_and_splits_are_the_same() -> None:
    """Movements and splits survive their text form exactly."""
    venue = Venue()
    movement = move_cash(venue.books, MovementKind.DEPOSIT, Decimal("0.01"), venue.now)
    split = SplitRecord(1, "AAA", venue.now, Decimal("0.05"), declared=True)

    assert from_text(Movement, to_text(movement)) == movement
    assert from_text(SplitRecord, to_text(split)) == split


def kinds_of(activities: Iterable[object]) -> list[str]:
    """Return the kinds of the movements among activities."""
    return [one.kind.value for one in activities if isinstance(one, Movement)]


def test_split_when_declared_then_position_activities_and_price_follow() -> None:
    """A reverse split at once: whole shares stay, the rest is paid, the order is noted."""
    venue = Venue()
    venue.send(qty=30)
    venue.trade("AAA", 100)
    market = RebasedMarket(SilentMarket())
    splitting = Splitting(venue.books, market, venue.tape)
    before = venue.books.positions["AAA"]

    splitting.declare("AAA", Decimal("0.05"), venue.now, venue.now)

    after = venue.books.positions["AAA"]
    assert [before.qty, after.qty] == [30, 1]
    assert kinds_of(venue.books.changes.activities) == ["SPLIT", "CIL"]
    assert after.avg_entry_price == before.avg_entry_price * 20
