"""The start, in DESIGN.md's order, each step failing loudly: lock → state → wire → broker →
account's own state → trade updates → feeds warm → the loop, whose first turn reconciles.

READY comes early: lock held, state loaded, loop turning. A broker that cannot be reached is
waited for without end, DEGRADED; refused keys end the process with 78.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from services.trading_bot.account_state import judge_payload, open_memory
from services.trading_bot.books import Books
from services.trading_bot.brain.black_box import open_black_box
from services.trading_bot.brain.port import ExitingStrategy
from services.trading_bot.brain.recorded import recorded_moments
from services.trading_bot.brain.roster import make_strategies, needs_flow
from services.trading_bot.brain.universe import SYMBOLS_MAX
from services.trading_bot.commands import CommandDesk
from services.trading_bot.decision import Policy
from services.trading_bot.execution.door import OrderDoor
from services.trading_bot.execution.patience import EXTENSION_S, PatientBroker
from services.trading_bot.execution.settling import Settler
from services.trading_bot.exits import exit_rules_of
from services.trading_bot.gather import BrokerEye, orders_since
from services.trading_bot.listeners import add_listeners
from services.trading_bot.market_view import MarketView
from services.trading_bot.memory import Memory
from services.trading_bot.orders_log import OrdersLog
from services.trading_bot.parts import Parts, TradeHints
from services.trading_bot.supervision import Supervision
from shared.clock import Clock
from shared.commands.spool import CommandSpool
from shared.config.endpoints import DEFAULT_SYMBOLS, Endpoints, load_endpoints
from shared.config.settings import Settings
from shared.contracts.simulator import SimStatus, read_sim_status
from shared.errors import SchemaFault, TransientFault
from shared.models.mode import Mode
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.persistence.file_port import REAL, FilePort
from shared.persistence.ledger import LedgerWriter
from shared.persistence.market_flow import FlowStoreReader
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.state_store import StateStore
from shared.persistence.trading_lock import TradingLock
from shared.resilience.classification import fault_from
from shared.resilience.door_rules import DoorHost
from shared.telemetry.logs import log_event
from shared.telemetry.notify import Beat, Notifier
from shared.vendors.connect import open_broker, open_door, open_market_clock

SERVICE = "trading-bot"
LOCK_TRY_S = 0.5
RETRY_FIRST_S, RETRY_MAX_S = 0.25, 1.5
"""Real seconds between two tries of a step; short enough to beat in time."""

Answer = TypeVar("Answer")


class Stopped(Exception):
    """The end was asked for while the start was still waiting. No failure."""


@dataclass(slots=True)
class Waiting:
    """Waits for what is not there yet, beating after each try."""

    clock: Clock
    notifier: Notifier
    stop: threading.Event
    give_up_after_s: float | None = None
    """One-shot commands do not wait for ever: TransientFault after so many real seconds."""
    tries: int = 0

    def until(self, attempt: Callable[[], Answer | None], what: str) -> Answer:
        """Return the first answer of `attempt` that is not None. TransientFault of an attempt
        means "try again"; every other fault goes through. Raises Stopped when asked to end.
        """
        pause_s, began_s = RETRY_FIRST_S, self.clock.monotonic_s()
        said = ""
        while True:
            try:
                answer = attempt()
                reason = what
                if answer is not None:
                    return answer
            except TransientFault as fault:
                reason = f"{what}: {fault}"
            if reason != said:
                said = reason
                logger = logging.getLogger("startup")
                log_event(logger, "waiting", reason, level=logging.WARNING)
            self._beat(reason)
            waited_s = self.clock.monotonic_s() - began_s
            if self.give_up_after_s is not None and waited_s > self.give_up_after_s:
                raise TransientFault(reason)
            if self.clock.wait(self.stop, pause_s):
                raise Stopped
            pause_s = min(RETRY_MAX_S, pause_s * 2)

    def _beat(self, reason: str) -> None:
        self.tries += 1
        self.notifier.beat(
            Beat(
                progress=self.tries,
                health="DEGRADED",
                reason=reason,
                trading_state="REDUCING",
                trading_state_cause="unknown_outcome",
            )
        )


@dataclass(frozen=True, slots=True)
class Ignition:
    """What a start is given."""

    settings: Settings
    clock: Clock
    waiting: Waiting
    open_stream: Callable[[Endpoints], TradeHints] | None
    """Subscribes to trade updates; None for a one-shot, which enters nothing."""
    files: FilePort = REAL
    """What state and journal are written through."""


def hold_lock(ignition: Ignition) -> TradingLock:
    """Wait for the trading lock: a dying holder frees it, a restarting bot is no failure."""
    lock = TradingLock(ignition.settings.state.trading_lock)

    def attempt() -> TradingLock | None:
        return lock if lock.acquire(LOCK_TRY_S) else None

    return ignition.waiting.until(attempt, "another process holds the trading lock")


def start(ignition: Ignition, lock: TradingLock) -> Parts:
    """Return the wired bot, its state loaded and its broker known. Raises Stopped."""
    settings, clock, waiting = ignition.settings, ignition.clock, ignition.waiting
    store = StateStore(settings.state, clock, ignition.files, lock, judge_payload)
    loaded = waiting.until(store.load, "the trading state cannot be read")
    desk = CommandDesk(
        CommandSpool(settings.state, clock), EmergencyStopFile(settings.state.emergency_stop), clock
    )
    waiting.notifier.ready("state loaded, reaching the broker")
    endpoints = waiting.until(lambda: load_endpoints(settings), "the exchange is not known yet")
    host = DoorHost(waiting.stop, waiting.notifier.extend_timeout)
    broker = open_broker(settings, endpoints, clock, host)
    known_account = _account_of(loaded.payload) if ignition.open_stream is None else None

    def reach() -> str:
        try:
            return broker.account().account_id
        except SchemaFault:
            if known_account is None:
                raise
            # Break-glass (ORDER_PATH.md rule 22): what is held must be left without sight.
            return known_account
        except TransientFault:
            # An operator hears at once that nothing can be verified; the stop file works anyway.
            desk.refuse_all("The broker has not been reached yet.")
            raise

    account_id = waiting.until(reach, "the broker cannot be reached")
    # One slow answer after the other must not look like a hang.
    waiting.notifier.extend_timeout(EXTENSION_S)
    sim = _sim_status(ignition, endpoints, host)
    epoch = sim.epoch if sim is not None else None
    opened = open_memory(settings, clock, store, loaded, (account_id, epoch))
    # Legs have random client ids: only their stored broker ids tell that they are ours.
    broker.remember_own(
        [
            order.broker_order_id
            for order in opened.state.orders.values()
            if order.broker_order_id is not None
        ]
    )
    waiting.notifier.extend_timeout(EXTENSION_S)
    _forbid_shorting(broker.forbids_shorting, broker.forbid_shorting)
    patient = PatientBroker(broker, waiting.notifier, clock)
    if settings.is_lock_step:
        memory = opened
        host.alongside.wanted = lambda: broker.look_addresses(orders_since(memory.state))
    wired = (ignition, endpoints, host)
    return _wire(wired, patient, (opened, desk, _symbols(settings, sim)))


def _sim_status(ignition: Ignition, endpoints: Endpoints, host: DoorHost) -> SimStatus | None:
    settings = ignition.settings
    if settings.trading_mode is not Mode.SIM:
        return None
    door = open_door(settings, endpoints, "sim-status", ignition.clock, host)

    def ask() -> SimStatus:
        try:
            return read_sim_status(door.get_json(f"{endpoints.trading_url}/sim/status"))
        except ValueError as failure:
            raise fault_from(failure, "sim/status") from failure

    return ignition.waiting.until(ask, "the exchange does not say its status")


def _symbols(settings: Settings, sim: SimStatus | None) -> tuple[str, ...]:
    """Return what may be traded: as set, else what the exchange has, else the default dozen."""
    if settings.symbols:
        return settings.symbols
    return sim.symbols if sim is not None and sim.symbols else DEFAULT_SYMBOLS


def _account_of(payload: Mapping[str, object] | None) -> str | None:
    account_id = (payload or {}).get("account_id")
    return account_id if isinstance(account_id, str) else None


def _forbid_shorting(forbids: Callable[[], bool], forbid: Callable[[], bool]) -> None:
    """Long only: a sell that races a stop must not open a short (ORDER_PATH.md rule 5).

    A precaution: one answer that nobody can read is said, and parks nobody.
    """
    logger = logging.getLogger("startup")
    try:
        done = forbids() or forbid()
    except (SchemaFault, TransientFault) as fault:
        log_event(logger, "no_shorting_unknown", str(fault), level=logging.WARNING)
        return
    level = logging.INFO if done else logging.WARNING
    words = "the broker refuses short sales" if done else "the broker would allow short sales"
    log_event(logger, "no_shorting", words, level=level)


def _wire(
    wired: tuple[Ignition, Endpoints, DoorHost],
    broker: PatientBroker,
    made: tuple[Memory, CommandDesk, tuple[str, ...]],
) -> Parts:
    ignition, endpoints, host = wired
    settings, clock = ignition.settings, ignition.clock
    memory, desk, symbols = made
    add_listeners(memory, settings.logs.events)
    orders_log = OrdersLog(settings.logs.orders, clock)
    stream = ignition.open_stream(endpoints) if ignition.open_stream is not None else None
    # A one-shot must secure what is held whatever a strategy's file does; it enters nothing.
    may_enter = ignition.open_stream is not None
    supervision = Supervision(settings.state.health, os.environ, clock)
    strategies = _strategies(ignition, supervision, symbols) if may_enter else ()
    reads_flow = needs_flow(strategies) or len(symbols) > SYMBOLS_MAX
    market = MarketView(
        MarketStoreReader(settings.state.market),
        symbols,
        FlowStoreReader(settings.state.market) if reads_flow else None,
    )
    return Parts(
        settings=settings,
        clock=clock,
        notifier=ignition.waiting.notifier,
        broker=broker,
        market_clock=open_market_clock(settings, endpoints, SERVICE, clock, host),
        stream=stream,
        market=market,
        memory=memory,
        books=Books(orders_log, LedgerWriter(settings.state.ledger, clock)),
        desk=desk,
        door=OrderDoor(broker, memory, orders_log, clock),
        settler=Settler(broker, clock),
        eye=BrokerEye(broker),
        stop_file=EmergencyStopFile(settings.state.emergency_stop),
        supervision=supervision,
        policy=Policy(
            symbols=frozenset(symbols),
            limits=settings.limits,
            strategies={strategy.name: strategy for strategy in strategies},
            exit_rules=exit_rules_of(strategies),
            exit_at_close=settings.exit_at_close,
            allow_short=settings.allow_short,
            adopt_external=settings.adopt_external,
        ),
        drifts=broker.drifts,
        host=host,
    )


def _strategies(
    ignition: Ignition, supervision: Supervision, symbols: tuple[str, ...]
) -> tuple[ExitingStrategy, ...]:
    settings, store = ignition.settings, MarketStoreReader(ignition.settings.state.market)
    box = open_black_box(settings.state.black_box, ignition.clock, supervision.former_exit)
    recorded = recorded_moments(store, symbols)
    store.close()
    return make_strategies(settings.strategies, settings.limits, box, recorded)
