"""The guard: what protects or reduces is never blocked by a check of entries."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.orders import OrderClass, OrderType, Purpose, Side, TimeInForce
from shared.risk.checks import MATRIX
from shared.risk.facts import MISSING, GuardFacts
from tests.support.builders import D
from tests.support.guard_builders import (
    a_protect_request,
    a_reduce_request,
    an_entry_request,
    exit_facts,
    good_facts,
)
from tests.support.guard_tables import AGES, AMOUNTS, FLAGS, codes_of, judge

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("request_of", [a_protect_request, a_reduce_request])
def test_exit_when_only_the_position_is_known_then_it_passes(request_of: Any) -> None:
    """No missing fact of an entry blocks what protects or reduces."""
    facts = GuardFacts(position_qty=D(10), position_qty_known=D(10), exits_live_qty=D(0))

    assert codes_of(judge(request_of(), facts)) == ()


@pytest.mark.parametrize("request_of", [a_protect_request, a_reduce_request])
@given(data=st.data())
def test_exit_when_entry_facts_are_anything_then_it_passes(
    request_of: Any, data: st.DataObject
) -> None:
    """Whatever the facts of entries say, an exit that fits the position goes out."""
    amounts = st.sampled_from([MISSING, D("Infinity"), D(-5), D(0), D("1e30")])
    ages = st.sampled_from([nan, inf, -1.0, 1e9])
    changes: dict[str, Any] = {name: data.draw(amounts) for name in AMOUNTS}
    changes |= {name: data.draw(ages) for name in (*AGES, "clock_skew_s", "cooldown_left_s")}
    for name, (_, wrong) in FLAGS.items():
        if name not in ("mode_matches", "account_matches", "asset_class", "tradable"):
            changes[name] = data.draw(st.sampled_from(wrong))
    changes |= {"position_qty": D(10), "bid": data.draw(st.sampled_from([MISSING, D("99.98")]))}

    facts = exit_facts(**{k: v for k, v in changes.items() if k not in ("position_qty", "owner")})

    assert codes_of(judge(request_of(), facts)) == ()


@pytest.mark.parametrize(
    ("changes", "facts", "code"),
    [
        ({"qty": D(11)}, {}, "exit_quantity"),
        ({"side": Side.BUY}, {}, "exit_quantity"),
        ({}, {"exits_live_qty": D(1)}, "exit_quantity"),
        ({}, {"exits_live_qty": D(-1)}, "exit_quantity"),
        ({}, {"mode_matches": False}, "mode"),
        ({}, {"account_matches": False}, "account"),
        ({}, {"asset_class": "crypto"}, "asset_class"),
        ({}, {"tradable": False}, "tradable"),
        ({"qty": D("0.5")}, {}, "whole_shares"),
        ({"time_in_force": TimeInForce.OPG}, {}, "form"),
        ({}, {"exits_last_minute": 120}, "exit_rate"),
        ({}, {"unknown_exits": 1}, "unknown_exit"),
    ],
)
def test_reduce_when_it_would_overshoot_or_is_known_wrong_then_its_code_denies(
    changes: dict[str, Any], facts: dict[str, Any], code: str
) -> None:
    """A reduce never sells more than is held, and never into an unknown exit."""
    verdict = judge(a_reduce_request(**changes), exit_facts(**facts))

    assert codes_of(verdict) == (code,)


def test_reduce_when_the_position_cannot_be_read_then_the_broker_must_close() -> None:
    """Without a fresh position a REDUCE by quantity is refused."""
    facts = GuardFacts(position_qty_known=D(10), exits_live_qty=D(0))

    assert codes_of(judge(a_reduce_request(), facts)) == ("exit_quantity",)


def test_protect_when_the_position_cannot_be_read_then_known_shares_count() -> None:
    """PROTECT goes by the last known quantity."""
    facts = GuardFacts(position_qty_known=D(10))

    assert codes_of(judge(a_protect_request(), facts)) == ()
    assert codes_of(judge(a_protect_request(qty=D(11)), facts)) == ("exit_quantity",)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stop_loss_price": D("103.00")}, "stop_side"),
        ({"stop_loss_price": D("99.98")}, "stop_distance"),
        ({"stop_loss_price": None}, "form"),
    ],
)
def test_protect_when_its_stop_is_wrong_then_its_code_denies(
    changes: dict[str, Any], code: str
) -> None:
    """A protective stop lies below its target and a cent from the price."""
    assert code in codes_of(judge(a_protect_request(**changes), exit_facts()))


@pytest.mark.parametrize("distance", ["0.50", "0.01"])
def test_protect_when_it_trails_then_its_distance_is_no_price(distance: str) -> None:
    """A trailing stop carries its distance, which lies far below the market."""
    request = a_protect_request(
        type=OrderType.TRAILING_STOP,
        order_class=OrderClass.SIMPLE,
        limit_price=None,
        take_profit_price=None,
        stop_loss_price=None,
        stop_price=D(distance),
    )

    assert codes_of(judge(request, exit_facts())) == ()


def test_cancel_when_judged_then_nothing_can_refuse_it() -> None:
    """A cancel passes with nothing known at all."""
    request = a_reduce_request(purpose=Purpose.CANCEL)

    assert codes_of(judge(request, GuardFacts())) == ()


@pytest.mark.parametrize(
    ("request_of", "facts_of"),
    [
        (an_entry_request, good_facts),
        (a_protect_request, exit_facts),
        (a_reduce_request, exit_facts),
    ],
)
def test_trace_when_made_then_it_holds_every_check_of_the_matrix(
    request_of: Any, facts_of: Any
) -> None:
    """The trace is whole, each code once, passed or denied alike."""
    request = request_of()
    wanted = sorted(code for code, purposes in MATRIX.items() if request.purpose in purposes)

    for facts in (facts_of(), GuardFacts()):
        assert sorted(row[0] for row in judge(request, facts).trace) == wanted


def test_matrix_when_read_then_it_is_the_one_of_the_order_path() -> None:
    """The table of ORDER_PATH.md, written out again by hand."""
    entry_only = (
        *("emergency_stop", "trading_state", "session", "reconciled", "unknown_outcome"),
        *("stream", "store", "account_flags", "clock_skew", "stop_present", "trade_risk"),
        *("total_risk", "price_age", "quote", "spread", "band_trade", "band_mid", "band_close"),
        *("signal_age", "equity", "notional", "position", "concentration", "gross_exposure"),
        *("open_positions", "buying_power", "flip", "owner", "naked_elsewhere", "wash"),
        *("duplicate", "twin", "cooldown", "rate", "daily_loss", "drawdown"),
    )
    wanted = dict.fromkeys(entry_only, "E")
    wanted |= dict.fromkeys(
        ["mode", "account", "asset_class", "tradable", "whole_shares", "tick", "form"], "EPR"
    )
    wanted |= {"stop_side": "EP", "stop_distance": "EP"}
    wanted |= {"exit_quantity": "PR", "exit_rate": "PR", "unknown_exit": "R"}

    read = {code: "".join(p.value[0] for p in Purpose if p in row) for code, row in MATRIX.items()}

    assert read == wanted
