"""The guard, input by input: removed, NaN, infinite, negative and huge in turn, orders and counts.

`test_trade_guard` tries the amounts, ages and flags of an entry; here is what is left of the table,
and that nothing of it ever stands in the way of protection or an exit.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import inf, nan
from typing import Any

import pytest

from shared.models.broker import OrderRequest
from shared.models.limits import Limits
from shared.models.orders import OrderClass, OrderType, Purpose
from shared.risk.checks import MATRIX
from shared.risk.dollars import DollarLimits
from shared.risk.facts import MISSING, GuardFacts
from tests.support.builders import D
from tests.support.guard_builders import (
    a_protect_request,
    a_reduce_request,
    an_entry_request,
    exit_facts,
    good_facts,
)
from tests.support.guard_tables import COUNTS, codes_of, judge

pytestmark = pytest.mark.unit

BROKEN = tuple(D(text) for text in ("NaN", "sNaN", "Infinity", "-Infinity", "-1", "1e30"))
ENTRY_ONLY = {code for code, purposes in MATRIX.items() if purposes == {Purpose.ENTRY}}
NOTHING_KNOWN = DollarLimits.of(Limits(), None)

# field of an entry → the codes of which at least one must refuse what is broken about it
ORDER_FIELDS: dict[str, tuple[str, ...]] = {
    "qty": ("whole_shares", "notional", "trade_risk"),
    "limit_price": ("tick", "notional", "stop_side", "band_mid"),
    "stop_loss_price": ("stop_present", "stop_side", "tick"),
    "take_profit_price": ("stop_side", "tick"),
}
COUNTED_FLAGS = {
    "unknown_outcomes": "unknown_outcome",
    "uncovered_symbols": "naked_elsewhere",
    "opposite_orders": "wash",
    "twin_orders": "twin",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in ORDER_FIELDS
        for value in (None, D(0), *BROKEN)
        if (field, value is None) != ("qty", True)
    ],
)
def test_entry_when_a_number_of_the_order_is_broken_then_its_code_denies(
    field: str, value: Decimal | None
) -> None:
    """A number that is none denies and never raises; a huge target alone is only far away."""
    codes = codes_of(judge(an_entry_request(**{field: value}), good_facts()))

    is_only_far = (field, str(value)) == ("take_profit_price", "1E+30")
    assert is_only_far or set(ORDER_FIELDS[field]) & set(codes), codes


@pytest.mark.parametrize(("field", "code"), COUNTED_FLAGS.items())
@pytest.mark.parametrize("value", [-1, 10**9, nan, inf, -inf])
def test_entry_when_a_counted_flag_is_no_count_then_its_code_alone_denies(
    field: str, code: str, value: Any
) -> None:
    """Only a plain zero lets an entry pass."""
    assert codes_of(judge(an_entry_request(), good_facts(**{field: value}))) == (code,)


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("value", [10**9, -5, nan, inf, -inf])
def test_entry_when_a_count_is_no_count_then_its_code_alone_denies(field: str, value: Any) -> None:
    """Huge, negative, NaN or infinite: none is a small count."""
    assert codes_of(judge(an_entry_request(), good_facts(**{field: value}))) == (COUNTS[field][0],)


@pytest.mark.parametrize("value", [D("sNaN"), *BROKEN[:1], *BROKEN[2:]])
def test_entry_when_the_limits_were_made_of_a_broken_equity_then_it_is_denied(
    value: Decimal,
) -> None:
    """Limits of no sane equity are zero, whatever the account says beside them."""
    equity = value if not value.is_snan() else D("NaN")

    verdict = judge(an_entry_request(), good_facts(), DollarLimits.of(Limits(), equity))

    assert {"equity", "notional", "position"} <= set(codes_of(verdict))


# field, value, what refuses a PROTECT, and what a REDUCE, of ten of ten shares
EXIT_INPUTS: tuple[tuple[str, Any, tuple[str, ...], tuple[str, ...]], ...] = (
    ("position_qty", D(0), ("exit_quantity",), ("exit_quantity",)),
    ("position_qty", D(-10), ("exit_quantity",), ("exit_quantity",)),
    ("position_qty", D(9), ("exit_quantity",), ("exit_quantity",)),
    ("position_qty", MISSING, (), ("exit_quantity",)),
    ("position_qty", D("sNaN"), (), ("exit_quantity",)),
    ("position_qty", D("Infinity"), (), ("exit_quantity",)),
    ("position_qty", D("-Infinity"), (), ("exit_quantity",)),
    ("position_qty", D("1e30"), (), ("exit_quantity",)),
    ("position_qty_known", D(9), ("exit_quantity",), ("exit_quantity",)),
    ("position_qty_known", D(0), ("exit_quantity",), ("exit_quantity",)),
    ("position_qty_known", MISSING, (), ()),
    ("position_qty_known", D("1e30"), (), ()),
    ("exits_live_qty", MISSING, (), ("exit_quantity",)),
    ("exits_live_qty", D("Infinity"), (), ("exit_quantity",)),
    ("exits_live_qty", D("1e30"), ("exit_quantity",), ("exit_quantity",)),
    ("exits_live_qty", D(1), ("exit_quantity",), ("exit_quantity",)),
    ("unknown_exits", None, (), ()),
    ("unknown_exits", 1, (), ("unknown_exit",)),
    ("unknown_exits", 10**9, (), ("unknown_exit",)),
    ("exits_last_minute", None, (), ()),
    ("exits_last_minute", 119, (), ()),
    ("exits_last_minute", 10**9, ("exit_rate",), ("exit_rate",)),
)


@pytest.mark.parametrize(("field", "value", "protect", "reduce"), EXIT_INPUTS)
def test_exit_when_one_of_its_own_inputs_is_broken_then_the_matrix_decides(
    field: str, value: Any, protect: tuple[str, ...], reduce: tuple[str, ...]
) -> None:
    """PROTECT goes by the last known shares when the fresh ones are no number; REDUCE does not."""
    facts = replace(exit_facts(), **{field: value})

    assert codes_of(judge(a_protect_request(), facts)) == protect
    assert codes_of(judge(a_reduce_request(), facts)) == reduce


def a_stop_change(**changes: Any) -> OrderRequest:
    """A PATCH that raises the stop leg of a bracket."""
    request = a_protect_request(
        type=OrderType.STOP,
        order_class=OrderClass.BRACKET,
        limit_price=None,
        stop_loss_price=None,
        stop_price=D("99.00"),
        replaces="b-1",
    )
    return replace(request, **changes)


@pytest.mark.parametrize("request_of", [a_protect_request, a_reduce_request, a_stop_change])
def test_exit_when_counts_limits_and_all_of_an_entry_are_unknown_then_nothing_of_it_is_asked(
    request_of: Any,
) -> None:
    """No code of entries stands in the trace of what protects or reduces, nor refuses it."""
    bare = GuardFacts(position_qty=D(10), position_qty_known=D(10), exits_live_qty=D(0))
    bad = replace(bare, open_positions=10**9, entries_last_minute=10**9, emergency_stop=True)
    for facts in (bare, bad):
        verdict = judge(request_of(), facts, NOTHING_KNOWN)

        assert codes_of(verdict) == ()
        assert not {row[0] for row in verdict.trace} & ENTRY_ONLY


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stop_price": D("NaN")}, "tick"),
        ({"stop_price": D("Infinity")}, "tick"),
        ({"stop_price": D("99.98")}, "stop_distance"),
        ({"stop_price": D("120.00")}, "stop_side"),
        ({"stop_price": D("99.001")}, "tick"),
        ({"stop_price": None}, "form"),
        ({"order_class": OrderClass.OTO}, "form"),
        ({"qty": D(11)}, "exit_quantity"),
    ],
)
def test_stop_change_when_it_is_wrong_then_its_code_denies(
    changes: dict[str, Any], code: str
) -> None:
    """A raised stop is a number on the tick, a cent below the bid, below its target, never OTO."""
    assert code in codes_of(judge(a_stop_change(**changes), exit_facts()))
