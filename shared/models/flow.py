"""Option flow: alerts, dark pool prints and the market tide, as a vendor of flow tells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar

FLOW_WINDOW = timedelta(minutes=60)
"""Market time that a view of the flow reaches back."""
FLOW_ROWS_PER_SYMBOL_MAX = 200
"""Alerts, and prints, that a view keeps of one symbol: the newest."""


@dataclass(frozen=True, slots=True)
class FlowAlert:
    """One unusual option trade. `premium` in dollars."""

    alert_id: str
    symbol: str
    at: datetime
    premium: Decimal
    is_call: bool
    is_sweep: bool
    rule: str = ""
    """The vendor's word for why; any word is accepted."""


@dataclass(frozen=True, slots=True)
class DarkPrint:
    """One off-exchange trade: price in dollars, size in shares, premium in dollars."""

    print_id: str
    symbol: str
    at: datetime
    price: Decimal
    size: int
    premium: Decimal


@dataclass(frozen=True, slots=True)
class TidePoint:
    """Net premiums of the whole market since the session began, in dollars; sells count below 0."""

    at: datetime
    net_call_premium: Decimal
    net_put_premium: Decimal
    net_volume: int


@dataclass(frozen=True, slots=True)
class Cursors:
    """Newest market time known of each feed; None: nothing yet."""

    alerts: datetime | None = None
    prints: datetime | None = None


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """What one round of questions brought."""

    alerts: tuple[FlowAlert, ...] = ()
    prints: tuple[DarkPrint, ...] = ()
    canceled: tuple[str, ...] = ()
    """Ids of prints that are taken back."""
    tide: tuple[TidePoint, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.alerts or self.prints or self.canceled or self.tide)

    def joined(self, later: FlowBatch) -> FlowBatch:
        """Return both as one; what is later comes later."""
        return FlowBatch(
            self.alerts + later.alerts,
            self.prints + later.prints,
            self.canceled + later.canceled,
            self.tide + later.tide,
        )


@dataclass(frozen=True, slots=True)
class FlowView:
    """The flow of the last hour by symbol, oldest first; empty where nothing is known."""

    alerts: Mapping[str, tuple[FlowAlert, ...]] = field(default_factory=dict)
    prints: Mapping[str, tuple[DarkPrint, ...]] = field(default_factory=dict)

    @classmethod
    def at(
        cls, now: datetime, alerts: Iterable[FlowAlert], prints: Iterable[DarkPrint]
    ) -> FlowView:
        """Return what of these is known at that market moment: nothing later, nothing old."""
        return cls(_by_symbol(now, alerts), _by_symbol(now, prints))


NO_FLOW = FlowView(MappingProxyType({}), MappingProxyType({}))

Row = TypeVar("Row", FlowAlert, DarkPrint)


def _by_symbol(now: datetime, rows: Iterable[Row]) -> Mapping[str, tuple[Row, ...]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if now - FLOW_WINDOW <= row.at <= now:
            found.setdefault(row.symbol, []).append(row)
    newest = {
        symbol: tuple(sorted(kept, key=_age_key)[-FLOW_ROWS_PER_SYMBOL_MAX:])
        for symbol, kept in found.items()
    }
    return MappingProxyType(newest)


def _age_key(row: FlowAlert | DarkPrint) -> tuple[datetime, str]:
    return row.at, row.alert_id if isinstance(row, FlowAlert) else row.print_id
