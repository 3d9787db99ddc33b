"""Activities that are no fills: each field removed, nulled, retyped and extended in turn."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from shared.contracts.alpaca_movements import read_movement, read_movements
from shared.contracts.drift import SchemaDrift

pytestmark = pytest.mark.unit


def raw_movement(**changes: Any) -> dict[str, Any]:
    """Return a split as Alpaca lists it."""
    return {
        "id": "20190212000000000::4a6af98e",
        "activity_type": "SPLIT",
        "date": "2019-02-12",
        "created_at": "2019-02-12T14:30:00Z",
        "net_amount": "0",
        "symbol": "AAPL",
        "qty": "-104.5",
        "status": "executed",
    } | changes


def test_movement_when_whole_then_every_field_is_read() -> None:
    """Amounts are exact, and a stamp says when."""
    found = read_movement(raw_movement())

    assert (found.kind, found.symbol, found.qty) == ("SPLIT", "AAPL", Decimal("-104.5"))
    assert (found.day, found.amount) == (date(2019, 2, 12), Decimal(0))
    assert found.moment.isoformat() == "2019-02-12T14:30:00+00:00"


@pytest.mark.parametrize("field", ["id", "activity_type", "date", "net_amount", "symbol", "qty"])
@pytest.mark.parametrize("wrong", ["absent", None, 5, ["x"]])
def test_movement_when_a_field_is_not_as_promised_then_drift_names_it(
    field: str, wrong: Any
) -> None:
    """Removed, nulled and retyped alike."""
    raw = raw_movement(**{field: wrong})
    if wrong == "absent":
        del raw[field]

    with pytest.raises(SchemaDrift, match=field):
        read_movement(raw)


def test_movement_when_its_kind_is_new_then_it_passes_and_needs_no_shares() -> None:
    """Kinds come weekly; a transfer beside a novelty must still be seen. Extra fields pass."""
    raw = raw_movement(activity_type="ROC", net_amount="-1.25", novelty={"a": 1})
    for absent in ("symbol", "qty", "created_at"):
        del raw[absent]

    found = read_movement(raw)

    assert (found.kind, found.symbol, found.qty, found.at) == ("ROC", "", Decimal(0), None)
    assert found.moment.isoformat() == "2019-02-12T00:00:00-05:00"


@pytest.mark.parametrize("raw", [None, {}, "x", [raw_movement(), raw_movement()], [3]])
def test_movements_when_no_list_of_single_ones_then_drift(raw: object) -> None:
    """A list that cannot be believed as a whole is not believed at all."""
    with pytest.raises(SchemaDrift):
        read_movements(raw)
