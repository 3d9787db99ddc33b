"""The guard over many orders: whatever is asked for in whatever order, no limit is exceeded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading_bot.guard_facts import System, guard_facts
from services.trading_bot.sends import Send, entry_send
from shared.models.broker import Asset
from shared.models.limits import Limits
from shared.models.orders import OrderRole, Side
from shared.models.signals import Signal
from shared.risk.approved import Approved
from shared.risk.dollars import DollarLimits
from shared.risk.trade_guard import guard
from tests.support.bot_bench import NOON, BotBench, a_signal
from tests.support.builders import D
from tests.support.guard_builders import an_entry_request, good_facts
from tests.support.guard_tables import codes_of, judge

pytestmark = pytest.mark.unit

PRICE = D(100)
SYMBOLS = [f"S{letter}" for letter in "ABCDEFGHIJKLMN"]
LIMITS = Limits()
AT_100K = DollarLimits.of(LIMITS, D(100_000))

STEPS = 70
HAPPENINGS = ("fill", "fill", "fill_part", "cancel", "settle", "settle", "wait", "lose_reply")


def steps_of(chance: Random) -> Iterator[tuple[str, str, int, str]]:
    """Yield what happens next: mostly somebody wants to enter, at times the broker acts."""
    usual = chance.choice(["0.50", "19.99"])
    for _ in range(STEPS):
        symbol = chance.choice(SYMBOLS)
        if chance.random() < 0.6:
            qty = chance.choice([5, 25, 49, 49, 60])
            yield "enter", symbol, qty, chance.choice([usual, usual, usual, "9", "40"])
        else:
            yield chance.choice(HAPPENINGS), symbol, chance.randint(1, 60), ""


def a_wish(bench: BotBench, symbol: str, qty: int, stop_distance: str) -> Send:
    """An entry that somebody would like; nobody has sized it."""
    signal = Signal(
        strategy="momentum",
        symbol=symbol,
        side=Side.BUY,
        at=bench.now,
        entry_price=PRICE,
        stop_price=PRICE - D(stop_distance),
        target_price=PRICE + 10,
        strength=0.5,
        reason="a wish",
    )
    return entry_send(bench.state, signal, D(qty), bench.now)


def verdict_on(bench: BotBench, send: Send) -> object:
    """What the guard says on the facts as the bot gathers them."""
    asset = Asset(send.request.symbol, "us_equity", True, True, True)
    system = System(
        emergency_stop=False,
        stream_listening=True,
        store_writable=True,
        clock_skew_s=0.0,
        mode_matches=True,
        account_matches=True,
        asset=asset,
        prior_close=PRICE,
    )
    facts = replace(bench.facts(), reconcile_age_s=1.0)
    known = replace(guard_facts(send, facts, system), last_trade=PRICE, drawdown_pct=D(0))
    known = replace(known, day_pnl=D(0))
    return guard(send.request, known, AT_100K, 0.0)


def happen(bench: BotBench, what: str, symbol: str, share: int) -> None:
    """Let the broker or the wire do something."""
    entry = bench.state.entry_working(symbol)
    if what == "wait":
        bench.pass_time(share)
    elif what == "lose_reply":
        bench.broker.lose_reply = True
    elif what == "settle":
        bench.look()
    elif entry is not None and entry.broker_order_id is not None:
        left = entry.remaining_qty
        if what == "cancel":
            bench.broker.cancel(entry.broker_order_id)
        else:
            part = left if what == "fill" else max(D(1), left * share // 60)
            bench.broker.fill(entry.client_order_id, part, entry.limit_price or PRICE)
        bench.look()


def check(bench: BotBench) -> None:
    """Compare the broker's own books with every limit, shares held and shares still to come."""
    at_stake: dict[str, Decimal] = {}
    risk = D(0)
    for symbol, held in bench.broker.held.items():
        at_stake[symbol] = held.qty * held.entry_price
    for order in bench.broker.books.values():
        if order.side is Side.BUY and order.status.is_live:
            rest = (order.qty - order.filled_qty) * (order.limit_price or PRICE)
            at_stake[order.symbol] = at_stake.get(order.symbol, D(0)) + rest
    for own in bench.state.orders.values():
        if own.role is OrderRole.ENTRY and own.stop_loss_price and own.limit_price:
            bought = bench.broker.by_client_id(own.client_order_id)
            shares = own.qty if bought is None or bought.status.is_live else bought.filled_qty
            risk += shares * (own.limit_price - own.stop_loss_price)
    assert max(at_stake.values(), default=D(0)) <= AT_100K.position
    assert sum(at_stake.values()) <= AT_100K.exposure
    assert risk <= AT_100K.total_risk
    assert len(at_stake) <= AT_100K.open_positions_max


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_entries_when_approved_in_any_sequence_then_no_limit_is_exceeded(seed: int) -> None:
    """Partial fills, lost replies and cancellations between them give nobody more room."""
    bench = BotBench()
    bench.broker.fills_on_submit = False
    bench.broker.prices = dict.fromkeys(SYMBOLS, PRICE)
    sent_at = []
    for what, symbol, number, stop_distance in steps_of(Random(seed)):
        if what != "enter":
            happen(bench, what, symbol, number)
            continue
        bench.pass_time(0.5)
        send = a_wish(bench, symbol, number, stop_distance)
        if isinstance(verdict_on(bench, send), Approved):
            sent_at.append(bench.now)
            bench.send(send)
        check(bench)
    for moment in sent_at:
        within = [each for each in sent_at if 0 <= (moment - each).total_seconds() < 60]
        assert len(within) <= LIMITS.orders_per_minute_max


def test_entries_when_every_reply_is_lost_then_the_first_is_the_last() -> None:
    """An unknown outcome counts with its full exposure and lets nothing more pass (rule 9)."""
    bench = BotBench()
    bench.broker.fills_on_submit = False
    bench.broker.prices = dict.fromkeys(SYMBOLS, PRICE)
    bench.broker.lose_reply = True
    first = a_wish(bench, "SA", 10, "2")
    assert isinstance(verdict_on(bench, first), Approved)
    bench.send(first)

    second = verdict_on(bench, a_wish(bench, "SB", 10, "2"))

    assert "unknown_outcome" in codes_of(second)  # type: ignore[arg-type]  # a denial


MONEY = [
    field.name
    for field in fields(DollarLimits)
    if field.name
    in ("notional", "position", "concentration", "exposure", "daily_loss", "risk_per_trade",
        "total_risk")
]  # fmt: skip


@given(cents=st.integers(1, 10**9))
def test_limits_when_the_balance_is_a_hundredfold_larger_then_every_one_moves_with_it(
    cents: int,
) -> None:
    """Percentages of the present balance; only rounding down to the cent lies between."""
    equity = D(cents) / 100
    small, large = DollarLimits.of(LIMITS, equity), DollarLimits.of(LIMITS, equity * 100)

    for name in MONEY:
        assert 0 <= getattr(large, name) - 100 * getattr(small, name) < 1, name
    assert large.daily_loss_floor == -large.daily_loss


@given(qty=st.integers(1, 80), exposure=st.integers(0, 32_000), risk=st.integers(0, 5_200))
def test_verdict_when_balance_and_order_are_a_hundredfold_larger_then_it_is_the_same(
    qty: int, exposure: int, risk: int
) -> None:
    """What is refused small is refused large, and by the same checks."""
    verdicts = []
    for scale in (1, 100):
        equity = D(100_000) * scale
        facts = good_facts(
            equity=equity,
            buying_power=2 * equity,
            gross_exposure=D(exposure * scale),
            open_risk=D(risk * scale),
        )
        request = an_entry_request(qty=D(qty * scale))
        verdicts.append(codes_of(judge(request, facts, DollarLimits.of(LIMITS, equity))))

    assert verdicts[0] == verdicts[1]


def test_signal_of_the_bench_when_judged_then_it_is_approved() -> None:
    """The sequences above do begin with something that passes."""
    bench = BotBench()
    bench.broker.prices = {"AAPL": PRICE}
    send = entry_send(bench.state, a_signal(at=NOON), D(10), NOON)

    assert isinstance(verdict_on(bench, send), Approved)
