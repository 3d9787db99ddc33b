"""Portfolio history: each part removed, retyped or broken is a drift, never a wrong peak."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.contracts.alpaca_history import read_portfolio_history
from shared.contracts.drift import SchemaDrift

pytestmark = pytest.mark.unit

GOOD: dict[str, Any] = {
    "timestamp": [1763614800, 1763701200, 1763960400],
    "equity": [None, 100000.1, 101234.56],
    "profit_loss": [None, 0, 1234.46],
    "base_value": 100000.1,
    "timeframe": "1D",
}


def test_history_when_whole_then_values_are_cents_and_empty_days_are_left_out() -> None:
    """Null and zero stand for days without an account."""
    points = read_portfolio_history(GOOD | {"equity": [0, 100000.1, 101234.56], "new": "word"})

    assert [point.equity for point in points] == [Decimal("100000.10"), Decimal("101234.56")]
    assert points[0].at == datetime.fromtimestamp(1763701200, UTC)
    assert read_portfolio_history(GOOD) == points


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": None},
        {"equity": None},
        {"equity": [1.0, 2.0]},
        {"equity": ["100000", 1.0, 2.0]},
        {"equity": [True, 1.0, 2.0]},
        {"equity": [float("nan"), 1.0, 2.0]},
        {"equity": [float("inf"), 1.0, 2.0]},
        {"equity": [1e30, 1.0, 2.0]},
        {"timestamp": ["2026-11-20", 1, 2]},
        {"timestamp": [1.5, 1, 2]},
        {"timestamp": [10**18, 1, 2], "equity": [1.0, 1.0, 1.0]},
    ],
)
def test_history_when_an_array_is_broken_then_it_drifts(changes: dict[str, Any]) -> None:
    """Nobody guesses a peak from half a history."""
    with pytest.raises(SchemaDrift):
        read_portfolio_history(GOOD | changes)


def test_history_when_it_is_no_object_then_it_drifts() -> None:
    """A list, a text or nothing at all is no history."""
    shapes: tuple[object, ...] = ([], "x", None, {})
    for raw in shapes:
        with pytest.raises(SchemaDrift):
            read_portfolio_history(raw)
