"""A halt: orders are taken and rest, quotes stand still. The bot waits, and acts once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.trading_bot.decision import Facts
from shared.models.exits import ExitRules
from shared.models.market import Quote
from tests.support.builders import D
from tests.support.trail_bench import RULES, TRAILING, TrailBench
from tests.support.venue_bench import SYMBOL

pytestmark = pytest.mark.unit

LEAVES = replace(TRAILING, exit_rules={"momentum": ExitRules(hold_max=timedelta(minutes=10))})


class HaltedBench(TrailBench):
    """A bench whose symbol can be halted: then its quote ages, as no new one comes."""

    def __init__(self, **changes: object) -> None:
        self._quote: Quote | None = None
        super().__init__(**changes)

    def halt(self) -> None:
        self._quote = self.facts().market.quotes[SYMBOL]
        self.venue.switch(f"halted={SYMBOL}")

    def resume(self, price: str) -> None:
        self._quote = None
        self.venue.switch("halted=")
        self.trade(price)

    def facts(self) -> Facts:
        facts = super().facts()
        if self._quote is None:
            return facts
        return replace(facts, market=replace(facts.market, quotes={SYMBOL: self._quote}))

    def live_for(self, minutes: int) -> None:
        """Let the bot take a turn each minute of market time."""
        for _ in range(minutes):
            self.pass_time(60)
            self.live_turn()

    def stops(self) -> list[str]:
        """The live stops of the symbol at the exchange, as quantity and price."""
        orders = self.venue.books.live_orders(SYMBOL)
        return [f"{one.qty} at {one.stop_price}" for one in orders if one.type.value == "stop"]


def test_halt_when_an_entry_works_then_it_is_cancelled_in_time_and_buys_nothing_later() -> None:
    """No entry rests through a halt: what comes after it is another market."""
    bench = HaltedBench()
    bench.halt()
    bench.bracket()
    bench.live_for(1)

    bench.resume("100")
    bench.live_for(1)

    assert bench.exchange.held == {}
    assert not bench.venue.books.live_orders(SYMBOL)


def test_halt_when_an_entry_filled_in_part_before_then_that_part_gets_its_stop() -> None:
    """Protection is asked for although nothing trades, and it stands when trading resumes."""
    bench = HaltedBench()
    own_id = bench.bracket()
    entry = bench.venue.books.find_client_id(own_id)
    assert entry is not None
    bench.venue.fill(entry, 4, 100)
    bench.halt()
    bench.live_for(2)

    assert bench.stops() == ["4 at 98"]
    bench.resume("97")
    bench.live_for(1)
    assert bench.exchange.held == {}


def test_halt_when_a_position_must_be_left_then_the_exit_waits_and_nothing_is_sent_twice() -> None:
    """The limit becomes a market order, which waits in the place of the stop through an hour of
    turns; with the first trade after the halt it sells, once.
    """
    bench = HaltedBench(policy=LEAVES)
    bench.hold_bracket()
    bench.halt()
    bench.live_for(10)
    assert bench.stops() == ["10 at 98"]
    bench.live_for(5)
    sent = [request.type.value for request in bench.exchange.submitted]
    assert sent == ["limit", "limit", "market"]

    for _ in range(60):
        bench.live_for(1)
        (waiting,) = bench.venue.books.live_orders(SYMBOL)
        assert (waiting.type.value, waiting.qty) == ("market", D(10))

    assert len(bench.exchange.submitted) == len(sent)
    bench.resume("99")
    bench.live_for(1)
    assert bench.exchange.held == {}
    assert not bench.venue.books.live_orders(SYMBOL)
    assert bench.state.pnl.trades == 1


@pytest.mark.parametrize("is_leaving", [False, True])
def test_halt_when_the_price_gaps_through_the_stop_then_it_is_sold_once_at_the_gap(
    is_leaving: bool,
) -> None:
    """The stop sells at what the market gives after the halt, also while an exit waits."""
    bench = HaltedBench(policy=LEAVES if is_leaving else TRAILING)
    bench.hold_bracket()
    bench.halt()
    bench.live_for(15)

    bench.resume("90")
    bench.live_for(2)

    assert bench.exchange.held == {}
    assert bench.venue.held(SYMBOL) == 0
    assert not bench.venue.books.live_orders(SYMBOL)
    assert D(-101) <= bench.state.pnl.realized <= D(-99)


def test_halt_when_the_last_bid_was_high_then_no_stop_follows_it() -> None:
    """A quote from before the halt is no price: the stop stays where it stood."""
    bench = HaltedBench(policy=replace(TRAILING, exit_rules={"momentum": RULES}))
    bench.hold_bracket()
    bench.rise("105")
    bench.halt()

    bench.pass_time(180)
    bench.live_turn()

    assert bench.stops() == ["10 at 98"]
    bench.resume("105")
    bench.live_for(2)
    assert bench.stops() == ["10 at 102.99"]
