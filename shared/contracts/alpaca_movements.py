"""What Alpaca promises of activities that are no fills: transfers, fees, splits (NTA activities).

A kind is kept as the broker's text: kinds come and go weekly, and one that is not known must not
hide the transfer beside it.
"""

from __future__ import annotations

from decimal import Decimal

from shared.contracts.drift import broken
from shared.contracts.fields import Fields, as_list
from shared.models.movements import CASH_IN_LIEU, SPLIT_KINDS, BrokerMovement


def read_movement(raw: object, path: str = "movement") -> BrokerMovement:
    """Return one non-trade activity; a split must say whose shares change, and by how many."""
    fields = Fields(raw, path)
    kind = fields.text("activity_type")
    has_shares = kind in (*SPLIT_KINDS, CASH_IN_LIEU)
    return BrokerMovement(
        activity_id=fields.text("id"),
        kind=kind,
        day=fields.day("date"),
        amount=fields.money("net_amount"),
        at=fields.optional_moment("created_at"),
        symbol=(fields.text if has_shares else fields.optional_text)("symbol") or "",
        qty=fields.money("qty") if has_shares else Decimal(0),
    )


def read_movements(raw: object) -> tuple[BrokerMovement, ...]:
    """Return a page of non-trade activities; raises SchemaDrift for any that cannot be read."""
    rows = as_list(raw, "movements")
    found = tuple(read_movement(row, f"movements[{i}]") for i, row in enumerate(rows))
    if len({movement.activity_id for movement in found}) != len(found):
        raise broken("movements", "each id once", raw)
    return found
