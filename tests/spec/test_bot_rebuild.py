"""After both generations are lost: peak and cooldowns from the broker's own history, never less."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.trading_bot.rebuild import UNKNOWN, Evidence, rebuilt
from shared.events.apply import apply, apply_all
from shared.events.types import HoldPlaced, MoneyRebuilt
from shared.models.broker import BrokerFill
from shared.models.movements import BrokerMovement
from shared.models.orders import Side
from shared.models.pnl import EquityPoint, Pnl
from shared.models.portfolio import Account
from shared.models.trading_state import HoldKind
from tests.support.builders import NOON, D, a_state, at

pytestmark = pytest.mark.unit

ACCOUNT = Account(
    "account-1", "ACTIVE", D(95_000), D(98_000), D(95_000), D(190_000), False, False, False
)  # fmt: skip
LOST = HoldPlaced(HoldKind.REBUILD, "lost", NOON)


def history(*equities: int) -> tuple[EquityPoint, ...]:
    """Equities of the days before today, oldest first."""
    days = len(equities)
    return tuple(
        EquityPoint(NOON - timedelta(days=days - number), D(equity))
        for number, equity in enumerate(equities)
    )


def moved(days_ago: int, amount: int, kind: str = "CSD") -> BrokerMovement:
    """A movement of so many days ago."""
    day: date = (NOON - timedelta(days=days_ago)).date()
    return BrokerMovement(f"m-{days_ago}-{amount}", kind, day, D(amount))


def fill(symbol: str, seconds: int) -> BrokerFill:
    """A sale so many seconds after noon."""
    return BrokerFill(f"a{seconds}", "b-1", symbol, Side.SELL, D(1), D(1), D(5), at(seconds))


def test_peak_when_equity_fell_since_then_the_highest_day_is_it() -> None:
    """A fall of eleven percent stays one, although the state that knew the peak is gone."""
    event = rebuilt(Evidence(ACCOUNT, history(100_000, 106_000, 99_000), (), (), NOON))

    assert event.peak_equity == 106_000
    assert "106000.00 from 3 daily values" in event.reason
    assert UNKNOWN in event.reason


@pytest.mark.parametrize(
    ("movements", "peak"),
    [
        ((moved(2, 50_000),), 150_000),
        ((moved(2, -40_000, "CSW"),), 99_000),
        ((moved(0, 10_000),), 116_000),
        ((moved(3, 100_000),), 106_000),
        ((moved(2, -500, "FEE"),), 106_000),
    ],
)
def test_peak_when_money_was_moved_then_it_moves_along(
    movements: tuple[BrokerMovement, ...], peak: int
) -> None:
    """A deposit is no profit and a withdrawal no loss, whichever day they came; a fee is one."""
    equities = {150_000: (100_000, 150_000, 99_000), 99_000: (100_000, 60_000, 99_000)}
    days = equities.get(peak, (100_000, 106_000, 99_000))

    assert rebuilt(Evidence(ACCOUNT, history(*days), movements, (), NOON)).peak_equity == peak


def test_peak_when_there_is_no_history_then_the_close_before_is_the_least() -> None:
    """A day's loss is never overlooked for want of a history."""
    event = rebuilt(Evidence(ACCOUNT, (), (), (), NOON))

    assert event.peak_equity == 98_000
    assert "no history" in event.reason


def test_rests_when_fills_are_listed_then_each_symbol_rests_from_its_newest() -> None:
    """Whoever sold, and in whatever order it is told."""
    fills = (fill("AAPL", 9), fill("AAPL", 3), fill("MSFT", 5))

    assert rebuilt(Evidence(ACCOUNT, (), (), fills, NOON)).rests == {"AAPL": at(9), "MSFT": at(5)}


def test_state_when_rebuilt_then_nothing_known_becomes_less_and_the_hold_stays() -> None:
    """Only an approver ends the hold; a second telling changes nothing."""
    state = a_state(pnl=Pnl(peak_equity=D(107_000)), cooldowns={"AAPL": at(20)})
    event = MoneyRebuilt(D(106_000), {"AAPL": at(9), "XOM": at(1)}, "what is known", at(30))

    once = apply_all(state, [LOST, event])

    assert once.pnl.peak_equity == 107_000
    assert once.cooldowns == {"AAPL": at(20), "XOM": at(1)}
    assert once.holds["rebuild"].reason == "what is known"
    assert apply(once, MoneyRebuilt(D(999_000), {}, "again", at(40))) is once
    assert apply(state, event) is state
