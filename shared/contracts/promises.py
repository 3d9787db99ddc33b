"""Which fields of each reply we read, and since when: the versions of our contracts.

The readers beside this file are the contract; this table says in one place what they use, so
that a drift can be told apart from a novelty that concerns nobody. A change of what is read is a
new version; the tests hold table and readers together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Promise:
    """One kind of object. A required field must be there; an optional one may be absent or null,
    but not of another type.
    """

    version: int
    since: date
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def fields(self) -> frozenset[str]:
        """Every field that is read."""
        return frozenset(self.required + self.optional)


def _promise(version: int, since: str, required: str, optional: str = "") -> Promise:
    day = date.fromisoformat(since)
    return Promise(version, day, tuple(required.split()), tuple(optional.split()))


PROMISES = {
    "account": _promise(
        1,
        "2026-07-06",  # the day-trade fields left
        "id status equity last_equity cash buying_power trading_blocked account_blocked "
        "trade_suspended_by_user",
    ),
    "configurations": _promise(1, "2026-07-06", "no_shorting"),
    "clock": _promise(2, "2026-11-21", "timestamp is_open next_open next_close"),
    "position": _promise(
        1, "2026-07-06", "symbol qty side avg_entry_price", "current_price market_value"
    ),
    "order": _promise(
        2,
        "2026-11-21",  # an order that is filled says so by quantity and price, too
        "id client_order_id symbol side qty filled_qty type time_in_force status created_at",
        "order_class limit_price stop_price filled_avg_price submitted_at updated_at filled_at "
        "expires_at replaced_by replaces legs",
    ),
    "fill": _promise(
        1, "2026-07-06", "id activity_type order_id symbol side qty cum_qty price transaction_time"
    ),
    "movement": _promise(
        1, "2026-07-06", "id activity_type date net_amount", "created_at symbol qty"
    ),
    "calendar": _promise(1, "2026-11-21", "date open close"),
    "portfolio_history": _promise(1, "2026-11-21", "timestamp equity"),
    "asset": _promise(1, "2026-09-22", "symbol class tradable fractionable shortable"),
    "trade_update": _promise(1, "2026-07-30", "event order", "timestamp price qty"),
    "bar": _promise(1, "2026-07-06", "t o h l c v"),
    "quote": _promise(1, "2026-07-06", "t bp ap bs as"),
    "streamed_bar": _promise(1, "2026-07-06", "T S t o h l c v"),
    "streamed_quote": _promise(1, "2026-07-06", "T S t bp ap bs as"),
    "alert": _promise(
        1,
        "2026-08-21",
        "ticker created_at total_premium has_sweep type alert_rule",
        "id option_chain start_time",
    ),
    "print": _promise(
        1, "2026-08-21", "tracking_id ticker executed_at price size premium canceled"
    ),
    "tide": _promise(1, "2026-08-21", "timestamp net_call_premium net_put_premium net_volume"),
}
"""By kind of object."""

_ROWS = {
    "account": "account",
    "configurations": "configurations",
    "clock": "clock",
    "positions[]": "position",
    "orders[]": "order",
    "orders[].legs[]": "order",
    "fills[]": "fill",
    "movements[]": "movement",
    "portfolio history": "portfolio_history",
    "asset": "asset",
    "bars.bars.*[]": "bar",
    "quotes.quotes.*": "quote",
    "flow alerts.data[]": "alert",
    "dark pool prints.data[]": "print",
    "market tide.data[]": "tide",
}
"""Where the objects stand in the replies that the compatibility check asks for."""


def version_of(reply: str) -> int:
    """Return the version of the contract that a reply of that name is read by, 0 for none."""
    kinds = (kind for row, kind in _ROWS.items() if row.split(".")[0].removesuffix("[]") == reply)
    return max((PROMISES[kind].version for kind in kinds), default=0)


def is_read(path: str) -> bool:
    """Whether we read the field at that path of a shape, as `orders[].legs[].status`."""
    row, _, name = path.rpartition(".")
    kind = _ROWS.get(row)
    return kind is not None and name in PROMISES[kind].fields
