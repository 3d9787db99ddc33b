"""Option flow: alerts, dark pool prints and the market tide, as a vendor of flow tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class FlowAlert:
    """One unusual option trade, as the strategy of issue 7 reads it. `premium` in dollars."""

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
