"""The trading state: the most restrictive of every input, with its cause."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from shared.models.trading_state import Cause, Hold, HoldKind, TradingState
from shared.risk.trading_state import StateInputs, combine
from tests.support.builders import NOON

pytestmark = pytest.mark.unit

WELL = StateInputs(
    emergency_stop=False,
    data_age_s=1.0,
    unknown_outcomes=0,
    uncovered_symbols=0,
    reconcile_age_s=1.0,
    stream_listening=True,
    store_writable=True,
)


def held(kind: HoldKind) -> dict[str, Hold]:
    """Return the holds of a state with this one."""
    return {kind.value: Hold(kind, NOON, f"{kind.value} reason")}


CASES: list[tuple[dict[str, Any], TradingState, Cause]] = [
    ({}, TradingState.ACTIVE, Cause.NONE),
    ({"emergency_stop": True}, TradingState.HALTED, Cause.OPERATOR),
    ({"emergency_stop": None}, TradingState.HALTED, Cause.OPERATOR),
    ({"paused": True}, TradingState.REDUCING, Cause.OPERATOR),
    ({"holds": held(HoldKind.DAILY_LOSS)}, TradingState.REDUCING, Cause.RISK),
    ({"holds": held(HoldKind.DRAWDOWN)}, TradingState.HALTED, Cause.RISK),
    ({"holds": held(HoldKind.REBUILD)}, TradingState.REDUCING, Cause.RISK),
    ({"holds": held(HoldKind.SECOND_WRITER)}, TradingState.REDUCING, Cause.RISK),
    ({"error_burst": True}, TradingState.REDUCING, Cause.RISK),
    ({"statement_differences": ("cash",)}, TradingState.REDUCING, Cause.RISK),
    ({"order_contract_fault": "orders drift"}, TradingState.HALTED, Cause.CONTRACTS),
    ({"data_contract_fault": "bars drift"}, TradingState.REDUCING, Cause.CONTRACTS),
    ({"data_age_s": None}, TradingState.REDUCING, Cause.DATA),
    ({"data_age_s": 120.1}, TradingState.REDUCING, Cause.DATA),
    ({"data_age_s": -1.0}, TradingState.REDUCING, Cause.DATA),
    ({"data_age_s": float("nan")}, TradingState.REDUCING, Cause.DATA),
    ({"data_age_s": None, "is_open": False}, TradingState.ACTIVE, Cause.NONE),
    ({"stream_listening": False}, TradingState.REDUCING, Cause.DATA),
    ({"stream_listening": None}, TradingState.REDUCING, Cause.DATA),
    ({"store_writable": False}, TradingState.REDUCING, Cause.DATA),
    ({"unknown_outcomes": 1}, TradingState.REDUCING, Cause.UNKNOWN_OUTCOME),
    ({"unknown_outcomes": None}, TradingState.REDUCING, Cause.UNKNOWN_OUTCOME),
    ({"unresolved_items": 1}, TradingState.REDUCING, Cause.UNKNOWN_OUTCOME),
    ({"reconcile_age_s": None}, TradingState.REDUCING, Cause.UNKNOWN_OUTCOME),
    ({"reconcile_age_s": 181.0}, TradingState.REDUCING, Cause.UNKNOWN_OUTCOME),
    ({"uncovered_symbols": 1}, TradingState.REDUCING, Cause.COVERAGE),
    ({"uncovered_symbols": None}, TradingState.REDUCING, Cause.COVERAGE),
    ({"supervision_fault": "health.json is old"}, TradingState.REDUCING, Cause.SUPERVISION),
    (
        {"paused": True, "holds": held(HoldKind.DRAWDOWN)},
        TradingState.HALTED,
        Cause.RISK,
    ),
    ({"paused": True, "error_burst": True}, TradingState.REDUCING, Cause.OPERATOR),
]


@pytest.mark.parametrize(("changes", "state", "cause"), CASES)
def test_state_when_inputs_restrict_then_the_worst_decides(
    changes: dict[str, Any], state: TradingState, cause: Cause
) -> None:
    """One row per input, and two that combine."""
    verdict = combine(replace(WELL, **changes))

    assert (verdict.state, verdict.cause) == (state, cause)
    assert bool(verdict.causes) is (state is not TradingState.ACTIVE)
    assert verdict.reason


def test_state_when_nothing_is_known_then_it_is_halted() -> None:
    """Bare inputs restrict by every one that can be missing."""
    verdict = combine(StateInputs())

    assert verdict.state is TradingState.HALTED
    assert {line.cause for line in verdict.causes} == {
        Cause.OPERATOR,
        Cause.DATA,
        Cause.UNKNOWN_OUTCOME,
        Cause.COVERAGE,
    }


def test_inputs_when_listed_then_every_one_is_tried_here() -> None:
    """No input escapes the table."""
    tried = {name for changes, _, _ in CASES for name in changes}

    assert {field.name for field in fields(StateInputs)} - tried == {
        "pause_reason",
        "data_age_s_max",
    }
