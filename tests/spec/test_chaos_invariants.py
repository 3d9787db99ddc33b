"""What holds at all times: each invariant is silent on whole books and speaks on broken ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos.catalogue import CATALOGUE
from chaos.evidence import AlertSaid, Books, Moments, PageSaid, Sample
from chaos.invariants import breaches, uncovered
from chaos.row import Invariant
from tests.support.chaos_history import OTHER_ID, OWN_ID, books, good, order, sample, stop

pytestmark = pytest.mark.unit

ROW = CATALOGUE["alpaca_down"]
LATER = {"submitted_at": "2026-01-05T15:00:00Z", "filled_at": "2026-01-05T15:00:01Z"}
TOLD = AlertSaid(1.0, "[SIM] FAILED system", "It began then.", "failure")
EXIT = {"client_order_id": "exit", "side": "sell", "type": "market"} | LATER


def broken(found: Books, samples: tuple[Sample, ...] | None = None) -> set[Invariant]:
    """Return the invariants that these books break."""
    seen = good(ROW)
    told = breaches(ROW, found, samples or seen.samples, seen.moments)
    return {name for name, texts in told.items() if texts}


def test_books_when_whole_then_no_invariant_breaks() -> None:
    """Entered once, noted, covered, small, in no log a secret."""
    assert broken(books()) == set()


def line(identity: str, at_s: float = 0.1) -> dict[str, Any]:
    """An intent of an entry."""
    return {"event": "intent", "client_order_id": identity, "role": "entry", "at_s": at_s}


@pytest.mark.parametrize(
    ("changed", "invariant"),
    [
        ({"orders": (order(), order(), stop(qty="16"))}, Invariant.NO_ORDER_TWICE),
        (
            {
                "orders": (order(), order(client_order_id=OTHER_ID, **LATER), stop(qty="16")),
                "lines": (line(OWN_ID), line(OTHER_ID)),
            },
            Invariant.NO_ORDER_TWICE,
        ),
        ({"lines": ()}, Invariant.NO_ORDER_LOST),
        ({"audit": {"is_whole": False, "differences": ["cash"]}}, Invariant.NO_ORDER_LOST),
        ({"orders": (order(),)}, Invariant.ALWAYS_A_STOP),
        ({"orders": (order(), stop(qty="7"))}, Invariant.ALWAYS_A_STOP),
        (
            {"orders": (order(), stop(canceled_at="2026-01-05T14:59:54Z"), order(**EXIT))},
            Invariant.ALWAYS_A_STOP,
        ),
        (
            {"positions": ({"symbol": "SPY", "cost_basis": "15000.01"},)},
            Invariant.NO_LIMIT_EXCEEDED,
        ),
        (
            {"positions": tuple({"symbol": s, "cost_basis": "10001"} for s in "ABC")},
            Invariant.NO_LIMIT_EXCEEDED,
        ),
        (
            {"positions": tuple({"symbol": str(n), "cost_basis": "1"} for n in range(11))},
            Invariant.NO_LIMIT_EXCEEDED,
        ),
        ({"leaks": ("trading-bot.out",)}, Invariant.NO_SECRET_IN_A_LOG),
        ({"astray": ("SPY: trading_state.json says otherwise",)}, Invariant.NO_ORDER_LOST),
        ({"pages": (PageSaid(0.5, "OK", frozenset({"FAILED"})),)}, Invariant.NO_BETTER_PAGE),
        ({"alerts": (TOLD, TOLD)}, Invariant.PEOPLE_ARE_TOLD),
    ],
)
def test_books_when_one_thing_is_broken_then_its_invariant_alone_speaks(
    changed: dict[str, Any], invariant: Invariant
) -> None:
    """Every invariant has histories that break it, and no other one."""
    assert broken(books(**changed)) == {invariant}


def test_order_when_it_lives_then_the_log_for_people_alone_is_no_book() -> None:
    """An ended order may be pruned from the state; one that works must be known to it."""
    working = order(client_order_id=OTHER_ID, filled_qty="0", filled_at=None)
    noted = books(orders=(order(), stop(), working), lines=(line(OWN_ID), line(OTHER_ID)))

    assert broken(noted) == {Invariant.NO_ORDER_LOST}
    assert broken(replace(noted, recorded=frozenset({OTHER_ID}))) == set()


def test_order_when_the_disk_took_no_log_then_state_and_journal_are_the_books() -> None:
    """orders.jsonl is for people; what a restart reads are the other two."""
    assert broken(books(lines=(), recorded=frozenset({OWN_ID}))) == set()


def test_limit_when_it_was_exceeded_on_the_way_then_it_breaks_although_all_is_sold_again() -> None:
    """At all times, not at the end alone; what was before the drill is not its business."""
    big = order(client_order_id="big", qty="30", filled_qty="30")
    out = order(client_order_id="exit", side="sell", type="market", qty="30", filled_qty="30")
    sold = out | LATER
    through = (big, stop(qty="30"), sold)
    after = ("2026-01-05T15:30:00Z", "2026-01-05T16:00:00Z")

    assert broken(books(orders=through, lines=(), positions=())) == {Invariant.NO_LIMIT_EXCEEDED}
    assert broken(books(orders=through, lines=(), positions=(), window=after)) == set()


def test_stop_when_it_is_renewed_within_five_seconds_then_nothing_is_said() -> None:
    """A short gap is allowed; what is measured is market time, to the fraction of a second."""
    gone = stop(canceled_at="2026-01-05T15:00:00Z")
    again = stop(client_order_id="again", submitted_at="2026-01-05T15:00:04.9Z")
    found = books(orders=(order(), gone, again))

    assert [seconds for _, _, seconds in uncovered(found)] == [4.9]
    assert broken(found) == set()


def test_stop_when_it_is_missing_before_the_drill_then_the_drill_does_not_answer_for_it() -> None:
    """Each drill is judged by its own time."""
    found = books(orders=(order(),), window=("2026-01-05T15:00:00Z", "2026-01-05T16:00:00Z"))

    assert broken(found) == set()


def test_entry_when_intended_while_nothing_is_allowed_then_it_breaks() -> None:
    """Within a beat of the change the word may lag behind the deed; after it, it may not."""
    held = (sample(0.0), sample(10.0, trading="REDUCING"), sample(20.0))

    assert broken(books(lines=(line(OWN_ID, 15.0),)), held) == {Invariant.NO_FORBIDDEN_ENTRY}
    assert broken(books(lines=(line(OWN_ID, 11.0),)), held) == set()
    assert broken(books(lines=(line(OWN_ID, 19.0),)), held) == set()
    assert broken(books(lines=(line(OWN_ID, 25.0),)), held) == set()


def test_health_when_ok_over_a_dead_bot_then_it_breaks() -> None:
    """A fake green is a breach, in every drill."""
    fake = (sample(0.0), sample(1.0, bot_works=False), sample(6.0))
    quick = (sample(0.0), sample(1.0, bot_works=False), sample(2.0))

    assert broken(books(), fake) == {Invariant.NEVER_OK_WHEN_DEAD}
    assert broken(books(), quick) == set()


def test_health_when_ok_through_a_fault_that_ends_trading_then_it_breaks() -> None:
    """After the seconds to detect it, alpaca_down must not look OK before its end."""
    moments = Moments(0.0, None, None, 20.0, 21.0)
    green = (sample(0.0), sample(19.0, reason="still"), sample(21.0, reason="end"))

    told = breaches(ROW, books(), green, moments)
    allowed = breaches(CATALOGUE["uw_down"], books(), green, moments)

    assert told[Invariant.NEVER_OK_WHEN_DEAD]
    assert not allowed[Invariant.NEVER_OK_WHEN_DEAD]
    short = replace(moments, over_s=ROW.bounds.detect_s)
    assert not breaches(ROW, books(), green, short)[Invariant.NEVER_OK_WHEN_DEAD]
