"""Seeded histories of a person and a bot in one account and one symbol, and what must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random

from services.exchange_sim.records import SimOrder
from services.trading_bot.coverage import coverage
from services.trading_bot.plan import plan_break_glass
from shared.models.externals import EXTERNAL
from shared.models.ids import parse_own_id
from shared.models.orders import OrderType, Side
from tests.support.person_bench import KEY, PersonBench
from tests.support.venue_bench import DOUBLED, LATE, LOST_AFTER, LOST_BEFORE, SYMBOL, WHOLE

ZERO = Decimal(0)
LOWEST, HIGHEST = Decimal(97), Decimal(111)
"""Between them lie stop and target of every bracket."""
QUIET_TURNS, UNKNOWN_TURNS_MAX = 40, 200


class PersonHistory:
    """Plays what chance says; `faults` tells afterwards what does not hold."""

    def __init__(self, seed: int, *, is_rude: bool) -> None:
        self._random = Random(seed)
        self.bench = PersonBench(adopts=self._random.random() < 0.5)
        self._may_serve_theirs = self.bench.policy.adopt_external
        self._is_rude = is_rude
        """Whether the person cancels orders of the bot, and the broker may be unreadable."""
        self.bench.exchange.prices[SYMBOL] = Decimal(100)
        rude = [self.bench.cancel_all, self._go_blind] if is_rude else []
        self._gestures: list[Callable[[], object]] = [
            *[self._buy, self._sell] * 4,
            *[self._rest, self._protect, self._group, self._withdraw, self._fill_part] * 2,
            *[self.bench.restart, self._lose_state, self._switch, self._break_wire] * 2,
            *[self._mend_wire, self._clear, self._enter] * 3,
            *[self._flatten, self._flatten_all],
            *rude * 3,
        ]

    def play(self, steps: int) -> None:
        """Let both act, the market move and the bot look; never a short on the way."""
        bench = self.bench
        self._enter()
        for _ in range(steps):
            self._random.choice(self._gestures)()
            price = bench.exchange.prices[SYMBOL] + Decimal(self._random.randint(-60, 60)) / 100
            if self._random.random() < 0.05:
                price = self._random.choice((LOWEST, HIGHEST))
            bench.pass_time(self._random.choice((1, 4, 20, 60)))
            bench.trade(min(max(price, LOWEST), HIGHEST))
            for _ in range(self._random.randint(0, 2)):
                bench.pass_time(2)
                bench.live_turn()
            assert bench.venue.held() >= 0, "the account is short"
            assert bench.ours >= 0, "the bot believes that it is short"

    def settle(self) -> None:
        """Let nobody do anything until all is known."""
        bench = self.bench
        self._clear()
        self._mend_wire()
        bench.exchange.prices[SYMBOL] = max(bench.exchange.prices[SYMBOL], Decimal("99.5"))
        bench.live_on(QUIET_TURNS, 31)
        for _ in range(UNKNOWN_TURNS_MAX):
            if not bench.state.unknown_outcomes:
                break
            bench.live_on(1, 6)
        bench.live_on(QUIET_TURNS // 4, 31)

    def faults(self) -> list[str]:
        """Return what does not hold once all is settled, in words."""
        bench, state = self.bench, self.bench.state
        denied = len(bench.denied)
        bench.live_on(2, 31)
        bare = [row for row in coverage(state, bench.now).values() if not row.is_covered]
        held = {
            "plans still run": not state.plans,
            "outcomes are unknown": not state.unknown_outcomes,
            "readings do not fit": not state.strange_quantities,
            "ours and theirs are not what is held": bench.ours + bench.theirs == bench.venue.held(),
            "ours are naked": not bare,
            "more would be sold than is held": bench.live_sells() <= bench.venue.held(),
            "the guard goes on denying": len(bench.denied) == denied,
            "a stop stands though the setting is off": self._stops_fit(),
            "theirs were traded without being asked": self._may_serve_theirs or not self._served(),
            "our book is not our fills": self._is_rude or self._own()[0] == bench.ours,
            "our profit is not our fills": self._is_rude or self._agrees_in_cash(),
        }
        return [words for words, holds in held.items() if not holds]

    def _stops_fit(self) -> bool:
        return self.bench.policy.adopt_external or not self.bench.own_external_stops

    def _served(self) -> bool:
        return bool(self.bench.state.orders.group(KEY))

    def _agrees_in_cash(self) -> bool:
        trades = self.bench.state.trade_history
        realized = sum((trade.pnl for trade in trades), ZERO)
        return bool(self.bench.ours) or abs(realized - self._own()[1]) <= len(trades) * 0.01

    def _own(self) -> tuple[Decimal, Decimal]:
        """Return shares and cash that the orders of the bot's own trades came to."""
        shares = cash = ZERO
        for order in self.bench.venue.books.orders.values():
            parts = parse_own_id(self._root(order).client_order_id)
            if order.filled_avg_price is None or parts is None or parts.strategy == EXTERNAL:
                continue
            signed = order.filled_qty if order.side is Side.BUY else -order.filled_qty
            shares, cash = shares + signed, cash - signed * order.filled_avg_price
        return shares, cash

    def _root(self, order: SimOrder) -> SimOrder:
        orders = self.bench.venue.books.orders
        while (order.parent_id or order.replaces) in orders:
            order = orders[order.parent_id or order.replaces or ""]
        return order

    # --- what the person does

    def _some(self) -> int:
        return self._random.randint(1, 8)

    def _buy(self) -> None:
        self.bench.person(self._some())

    def _sell(self) -> None:
        self.bench.person(self._some(), "sell")

    def _rest(self) -> None:
        words = {"type": "limit", "limit_price": "97.5", "time_in_force": "gtc"}
        self.bench.person(self._some(), **words)

    def _protect(self) -> None:
        price = self._random.choice(("99.5", "97", "96"))
        self.bench.person(self._some(), "sell", type="stop", stop_price=price)

    def _group(self) -> None:
        legs = {"take_profit": {"limit_price": "103"}, "stop_loss": {"stop_price": "97"}}
        self.bench.person(self._some(), "sell", type="limit", order_class="oco", **legs)

    def _live_by_hand(self) -> list[SimOrder]:
        now = [self.bench.venue.again(one) for one in self.bench.by_hand]
        return [one for one in now if one.status.value in ("new", "partially_filled")]

    def _withdraw(self) -> None:
        live = self._live_by_hand()
        if live:
            self.bench.venue.cancel(self._random.choice(live), settle=False)

    def _fill_part(self) -> None:
        buys = [one for one in self._live_by_hand() if one.side is Side.BUY]
        resting = [one for one in buys if one.type is OrderType.LIMIT]
        if resting:
            order = self._random.choice(resting)
            self.bench.venue.fill(order, min(order.remaining, 2), "97.5")

    # --- what befalls the bot

    def _lose_state(self) -> None:
        self.bench.restart(loses_state=True)

    def _switch(self) -> None:
        adopts = not self.bench.policy.adopt_external
        self._may_serve_theirs |= adopts
        self.bench.policy = replace(self.bench.policy, adopt_external=adopts)

    def _break_wire(self) -> None:
        word = self._random.choice((LOST_BEFORE, LOST_AFTER, LATE, DOUBLED))
        self.bench.exchange.wire = lambda: word

    def _mend_wire(self) -> None:
        self.bench.exchange.wire = lambda: WHOLE

    def _enter(self) -> None:
        if not self.bench.ours and not self.bench.state.plans:
            self.bench.bracket(self._random.randint(2, 12))

    def _flatten(self) -> None:
        self.bench.flatten = "operator: drill"

    def _flatten_all(self) -> None:
        self.bench.flatten, self.bench.flatten_externals = "operator: drill", True
        self._may_serve_theirs = True

    def _clear(self) -> None:
        self.bench.flatten, self.bench.flatten_externals = None, False

    def _go_blind(self) -> None:
        self.bench.go_blind(account_too=self._random.random() < 0.5)
        for _ in range(self._random.randint(1, 4)):
            self.bench.carry_out(plan_break_glass(self.bench.facts()))
            self.bench.pass_time(4)
            self.bench.trade(self.bench.exchange.prices[SYMBOL])
        self.bench.see_again()
