"""A whole bot in a temporary folder: real files, real loop, a broker in memory, a manual clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.trading_bot.account_state import judge_payload, open_memory
from services.trading_bot.books import Books
from services.trading_bot.brain.roster import make_strategies
from services.trading_bot.commands import CommandDesk
from services.trading_bot.decision import Policy
from services.trading_bot.execution.door import OrderDoor
from services.trading_bot.execution.patience import PatientBroker
from services.trading_bot.execution.settling import Settler
from services.trading_bot.gather import BrokerEye
from services.trading_bot.loop import Loop
from services.trading_bot.market_view import MarketView
from services.trading_bot.orders_log import OrdersLog
from services.trading_bot.parts import Parts
from services.trading_bot.supervision import Supervision
from shared.commands.spool import CommandSpool
from shared.config.settings import Settings
from shared.models.broker import ClockReading, TradeUpdate
from shared.models.commands import Answer, Command, CommandName
from shared.models.market import Candle, Quote
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.persistence.ledger import LedgerWriter
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from shared.persistence.state_store import StateStore
from shared.ports import Turn
from shared.resilience.door_rules import DoorHost
from shared.telemetry.notify import Notifier
from shared.vendors.websocket_link import LIVE, LinkState
from tests.support.bars import bars_of_closes, flat_then_breakout
from tests.support.clock import ManualClock
from tests.support.fake_broker import FakeBroker
from tests.support.settings import make_settings

EPOCH = "abcd1234"
SYMBOLS = ("AAPL", "MSFT")


@dataclass
class FakeStream:
    """A trade stream that listens and says nothing."""

    listening: bool = True
    gaps: int = 1
    has_news: bool = False
    failed_tries: int = 0
    state: LinkState = field(default_factory=lambda: LinkState(LIVE, ""))

    def drain(self) -> tuple[TradeUpdate, ...]:
        return ()


@dataclass
class FakeMarketClock:
    """Market time as the house says."""

    house: BotHouse
    _turn_at_s: float = float("-inf")

    def reading(self) -> ClockReading:
        return self.house.reading()

    def next_turn(self, stop: threading.Event, timeout_s: float) -> Turn | None:
        """Let time pass up to clock B's next stroke, five seconds after the one before."""
        wait_s = max(0.0, self._turn_at_s + 5 - self.house.clock.monotonic_s())
        self.house.pass_time(min(wait_s, timeout_s))
        self.house.meanwhile()
        if stop.is_set() or wait_s > timeout_s:
            return None
        self._turn_at_s = self.house.clock.monotonic_s()
        return Turn(self.house.reading(), None)


@dataclass
class BotHouse:
    """Everything that outlives a bot process: the folder, the broker, the time."""

    root: Path
    now: datetime
    clock: ManualClock = field(default_factory=ManualClock)
    stream: FakeStream = field(default_factory=FakeStream)
    is_open: bool = True
    knows_yesterday: bool = True
    """Whether market.db holds the close of the day before."""
    adopts_external: bool = False
    """Whether external shares get a stop (ADOPT_EXTERNAL)."""
    speed: str = "1"
    """Of the market (SIM_SPEED)."""
    meanwhile: Callable[[], None] = lambda: None
    """What happens in the world while `loop.run` waits for a turn."""

    def __post_init__(self) -> None:
        (self.root / "state").mkdir(mode=0o700)
        (self.root / "logs").mkdir()
        self.settings: Settings = make_settings(
            self.root,
            SYMBOLS=",".join(SYMBOLS),
            SIM_SPEED=self.speed,
            ADOPT_EXTERNAL=str(self.adopts_external).lower(),
        )
        self.broker = FakeBroker(self.now)
        self.market = MarketStoreWriter(self.settings.state.market, self.clock)
        if self.knows_yesterday:
            self.market.put_daily([self._daily(symbol) for symbol in SYMBOLS])
        self.born()

    def _daily(self, symbol: str) -> Candle:
        price = Decimal(100)
        start = self.now.replace(hour=5, minute=0) - timedelta(days=1)
        return Candle(symbol, start, price, price, price, price, 1_000)

    def born(self) -> None:
        """Start a bot process: load what the folder holds and wire a loop."""
        store = StateStore(self.settings.state, self.clock, judge=judge_payload)
        account = (self.broker.account_id, EPOCH)
        memory = open_memory(self.settings, self.clock, store, store.load(), account)
        orders_log = OrdersLog(self.settings.logs.orders, self.clock)
        broker = PatientBroker(self.broker, Notifier(None), self.clock)
        ledger = LedgerWriter(self.settings.state.ledger, self.clock)
        strategies = make_strategies((), self.settings.limits)
        self.spool = CommandSpool(self.settings.state, self.clock)
        self.stop_file = EmergencyStopFile(self.settings.state.emergency_stop)
        self.parts = Parts(
            settings=self.settings,
            clock=self.clock,
            notifier=Notifier(None),
            broker=broker,
            market_clock=FakeMarketClock(self),
            stream=self.stream,
            market=MarketView(MarketStoreReader(self.settings.state.market), SYMBOLS),
            memory=memory,
            books=Books(orders_log, ledger),
            desk=CommandDesk(self.spool, self.stop_file, self.clock),
            door=OrderDoor(broker, memory, orders_log, self.clock),
            settler=Settler(broker, self.clock),
            eye=BrokerEye(broker),
            stop_file=self.stop_file,
            supervision=Supervision(self.settings.state.health, {}, self.clock),
            policy=Policy(
                symbols=frozenset(SYMBOLS),
                limits=self.settings.limits,
                strategies={strategy.name: strategy for strategy in strategies},
                adopt_external=self.settings.adopt_external,
            ),
            drifts=broker.drifts,
            host=DoorHost(),
        )
        self.loop = Loop(self.parts)

    def reading(self) -> ClockReading:
        """Return market time: the session ends at 21:00 UTC."""
        return ClockReading(
            self.now, self.is_open, self.now + timedelta(hours=20), self.now.replace(hour=21)
        )

    def pass_time(self, seconds: float) -> None:
        """Let market time and real time go on together."""
        self.now += timedelta(seconds=seconds)
        self.clock.advance(seconds)
        self.broker.now = self.now

    def show(self, candles: tuple[Candle, ...]) -> None:
        """Bring bars, and a quote around the last of them, into market.db."""
        last = candles[-1]
        cent = Decimal("0.01")
        self.market.put_candles(candles)
        self.market.put_quotes([Quote(last.symbol, self.now, last.close - cent, last.close + cent)])
        self.broker.prices[last.symbol] = last.close

    def turn(self) -> None:
        """Let the bot do one turn, five seconds after the one before."""
        self.pass_time(5)
        self.loop.turn(Turn(self.reading(), None))


BARS = bars_of_closes(flat_then_breakout(1.5))
BEFORE = BARS[-1].start + timedelta(seconds=50)


def seeing_a_breakout(house: BotHouse) -> BotHouse:
    """Let the house see AAPL break out at its next turn."""
    house.pass_time(10)
    house.show(BARS)
    return house


def steps(house: BotHouse) -> list[str]:
    """The `event` words of orders.jsonl, in order."""
    text = house.settings.logs.orders.read_text(encoding="utf-8")
    return [json.loads(line)["event"] for line in text.splitlines()]


def status(house: BotHouse) -> dict[str, Any]:
    """What bot_status.json says."""
    document: dict[str, Any] = json.loads(house.settings.state.bot_status.read_bytes())
    return document


def command(house: BotHouse, name: CommandName, **args: str | bool) -> str:
    """Lay a command down; return its id."""
    now_s = house.clock.boottime_s()
    made = Command(
        id=f"c{int(now_s * 1000)}",
        command=name,
        by="tester",
        reason="a test",
        expires_at=house.clock.utc_now() + timedelta(seconds=60),
        boot_id=house.clock.boot_id(),
        boottime_s=now_s,
        expires_boottime_s=now_s + 60,
        args=args,
    )
    CommandSpool(house.settings.state, house.clock).submit(made)
    return made.id


def answer(house: BotHouse, command_id: str) -> Answer:
    """The answer to a command, which must be there."""
    found = house.spool.read_answer(command_id)
    assert found is not None
    return found


def enter(house: BotHouse) -> str:
    """Let the bot enter AAPL; return the entry's id."""
    house.turn()
    (request,) = house.broker.submitted
    return request.client_order_id
