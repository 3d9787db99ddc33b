"""Everything that the loop works with, wired once by startup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.trading_bot.books import Books
from services.trading_bot.commands import CommandDesk
from services.trading_bot.decision import Policy
from services.trading_bot.drifts import Drifts
from services.trading_bot.execution.door import OrderDoor
from services.trading_bot.execution.patience import PatientBroker
from services.trading_bot.execution.settling import Settler
from services.trading_bot.gather import BrokerEye
from services.trading_bot.market_view import MarketView
from services.trading_bot.memory import Memory
from services.trading_bot.supervision import Supervision
from shared.clock import Clock
from shared.config.settings import Settings
from shared.models.broker import TradeUpdate
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.ports import MarketClock
from shared.resilience.door_rules import DoorHost
from shared.telemetry.notify import Notifier
from shared.vendors.websocket_link import LinkState


class TradeHints(Protocol):
    """The trade_updates stream as the loop needs it."""

    @property
    def listening(self) -> bool:
        """Whether the server confirmed that it listens for us."""

    @property
    def gaps(self) -> int:
        """How often the connection was lost; each loss may have hidden events."""

    @property
    def failed_tries(self) -> int:
        """Connections in a row that came to nothing."""

    @property
    def state(self) -> LinkState:
        """connecting, live or down, and why."""

    @property
    def has_news(self) -> bool:
        """Whether `drain` would return anything."""

    def drain(self) -> tuple[TradeUpdate, ...]:
        """Return what came since the last call."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The wired bot. `stream` is None in a one-shot, which never enters anything."""

    settings: Settings
    clock: Clock
    notifier: Notifier
    broker: PatientBroker
    market_clock: MarketClock
    stream: TradeHints | None
    market: MarketView
    memory: Memory
    books: Books
    desk: CommandDesk
    door: OrderDoor
    settler: Settler
    eye: BrokerEye
    stop_file: EmergencyStopFile
    supervision: Supervision
    policy: Policy
    drifts: Drifts
    host: DoorHost
    """What the doors of this process share: its end, its word to the supervisor, their standing."""
