"""A person trades the symbol that the bot holds: leaving, closing and telling apart."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.trading_bot.pending import Pending
from services.trading_bot.plan import plan_break_glass
from shared.models.commands import CommandName
from tests.support.person_bench import PersonBench
from tests.support.spoken_command import spoken
from tests.support.venue_bench import LOST_BEFORE, SYMBOL, WHOLE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("beyond", [5, "5.5"])
def test_break_glass_when_both_are_to_leave_then_each_is_closed_by_its_own_number(
    beyond: object,
) -> None:
    """One request for everything would book their sale as ours: a short that nobody has."""
    bench = PersonBench()
    bench.beside(beyond)
    bench.flatten, bench.flatten_externals = "operator: drill", True
    bench.go_blind()

    for _ in range(6):
        bench.carry_out(plan_break_glass(bench.facts()))
        bench.pass_time(4)
        bench.trade("100")
    bench.see_again()
    bench.live_on(3)

    assert bench.shares == (0, 0, 0)
    assert [trade.qty for trade in bench.state.trade_history] == [10]
    assert bench.state.strange_quantities == {}
    assert bench.state.plans == ()


def test_break_glass_when_the_request_for_ours_is_lost_then_theirs_takes_none_of_ours() -> None:
    """The second request would sell all fifteen as theirs, and ours would be missing for ever."""
    bench = PersonBench()
    bench.beside()
    bench.flatten, bench.flatten_externals = "operator: drill", True
    bench.go_blind()
    asked = bench.exchange.asked_to_close
    bench.exchange.wire = lambda: LOST_BEFORE if len(asked) == 1 else WHOLE

    for _ in range(6):
        bench.carry_out(plan_break_glass(bench.facts()))
        bench.pass_time(4)
        bench.trade("100")
    held = bench.venue.held()
    bench.see_again()
    bench.live_on(6)

    assert held == 10
    assert bench.shares == (0, 0, 0)
    assert [trade.qty for trade in bench.state.trade_history] == [10]


def test_break_glass_when_more_was_seen_than_is_ours_then_only_our_number_is_asked_for() -> None:
    """Shares that one look alone has shown are nobody's to sell, either."""
    bench = PersonBench()
    bench.hold_bracket()
    bench.live_turn()
    bench.person(5)
    bench.trade("100")
    bench.look()
    bench.reconcile()
    assert bench.state.external_positions == {}
    bench.flatten = "operator: drill"
    bench.go_blind()

    for _ in range(6):
        bench.carry_out(plan_break_glass(bench.facts()))
        bench.pass_time(4)
        bench.trade("100")

    assert bench.venue.held() == 5


@pytest.mark.parametrize("over_night", [True, False])
def test_flatten_when_a_fraction_lies_beside_ours_then_it_never_takes_ours_along(
    *, over_night: bool
) -> None:
    """The broker's own close of a fraction is asked for that fraction, in session or queued."""
    bench = PersonBench()
    bench.beside("5.5")
    bench.flatten, bench.flatten_externals = "operator: drill", True

    if over_night:
        bench.end_session()
        for _ in range(4):
            bench.pass_time(5)
            bench.live_turn()
        assert bench.venue.held() == Decimal("15.5")
        bench.begin_session()
    bench.live_on(6)

    assert bench.shares == (0, 0, 0)
    assert [trade.qty for trade in bench.state.trade_history] == [10]


def test_close_position_when_a_person_holds_shares_beside_ours_then_it_is_confirmed() -> None:
    """Ours are gone when the broker shows theirs alone, in two reads; theirs stay."""
    bench = PersonBench()
    own_id = bench.beside()
    pending = Pending(spoken(CommandName.CLOSE_POSITION, symbol=SYMBOL), 0.0, own_id)
    early = pending.confirmed(bench.facts())
    bench.flatten = "operator: drill"
    bench.live_on(3)

    answers = [pending.confirmed(bench.facts()) for _ in range(2)]

    assert early is None
    assert bench.shares[:2] == (5, 0)
    assert answers[0] is None
    assert answers[1] is not None
    assert answers[1].result["qty"] == "10"


def test_close_position_when_the_list_is_late_then_it_is_not_confirmed() -> None:
    """More than is known to be theirs may still be ours."""
    bench = PersonBench()
    own_id = bench.beside()
    late = dict(bench.exchange.held)
    bench.flatten = "operator: drill"
    bench.live_on(3)
    pending = Pending(spoken(CommandName.CLOSE_POSITION, symbol=SYMBOL), 0.0, own_id)
    bench.exchange.held = late

    assert [pending.confirmed(bench.facts()) for _ in range(3)] == [None, None, None]


def test_externals_when_ours_are_closed_beside_them_then_no_reading_is_unresolved() -> None:
    """What is left is exactly what was known to be theirs: no doubt that holds risk back."""
    bench = PersonBench()
    bench.beside()
    bench.flatten = "operator: drill"
    doubts = []
    for _ in range(6):
        bench.live_on(1)
        doubts.append(dict(bench.state.strange_quantities))

    assert bench.theirs == 5
    assert doubts == [{}] * 6


@pytest.mark.parametrize(("more", "kept"), [(3, 5), (-2, 3)])
def test_externals_when_their_number_changes_then_the_smaller_is_kept_until_it_is_proved(
    more: int, kept: int
) -> None:
    """Not dropped for a look: what was theirs before is still not ours."""
    bench = PersonBench()
    bench.beside()
    bench.person(abs(more), "buy" if more > 0 else "sell")
    bench.trade("100")
    bench.look()

    bench.reconcile()
    first = bench.theirs
    bench.reconcile()

    assert [first, bench.theirs] == [kept, 5 + more]


def test_flatten_when_a_persons_order_holds_ours_and_all_is_to_go_then_it_is_cancelled_first() -> (
    None
):
    """With the flag orders on those symbols are cancelled one by one, whoever placed them."""
    bench = PersonBench()
    bench.hold_bracket()
    bench.live_turn()
    bench.cancel_all()
    bench.pass_time(1)
    assert bench.person(3, "sell", type="stop", stop_price="90") is not None
    bench.flatten, bench.flatten_externals = "operator: drill", True

    bench.live_on(6)

    assert bench.shares[:2] == (0, 0)
    assert bench.state.plans == ()
