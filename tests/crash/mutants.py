"""Broken bots, wired for the proof that the harness notices. Nothing else uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from services.trading_bot.books import Books
from services.trading_bot.execution.door import OrderDoor, Sent
from services.trading_bot.execution.patience import PatientBroker
from services.trading_bot.execution.settling import Settler
from services.trading_bot.gather import BrokerEye, Picture
from services.trading_bot.memory import Memory
from services.trading_bot.orders_log import OrdersLog
from services.trading_bot.parts import Parts
from services.trading_bot.sends import Send
from shared.config.endpoints import load_endpoints
from shared.errors import FailureClass, RiskFault
from shared.events.types import Event
from shared.models.broker import Rejected, SubmitOutcome, Unknown
from shared.models.orders import Purpose
from shared.models.trading_state import BotState
from shared.persistence.ledger import LedgerWriter
from shared.risk.approved import Approved
from shared.risk.dollars import DollarLimits
from shared.risk.facts import GuardFacts
from shared.risk.trade_guard import Denied
from shared.vendors.connect import open_broker

NOT_SENT = Rejected(FailureClass.TRANSIENT, "mutant", "believed to be not placed")


class _Resending(PatientBroker):
    """Sends an entry of unknown outcome once more, under a new id: the classical double."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.broker, parts.notifier, parts.clock)
        self._door = open_broker(parts.settings, load_endpoints(parts.settings), parts.clock)

    def submit(self, approved: Approved) -> SubmitOutcome:
        outcome = super().submit(approved)
        request = approved.request
        if not isinstance(outcome, Unknown) or request.purpose is not Purpose.ENTRY:
            return outcome
        last = "0" if request.client_order_id[-1] != "0" else "1"
        another = replace(request, client_order_id=request.client_order_id[:-1] + last)
        return self._door._place(another)


class _Unprotecting(PatientBroker):
    """Keeps every protective and every closing order to itself."""

    def submit(self, approved: Approved) -> SubmitOutcome:
        return super().submit(approved) if approved.request.purpose is Purpose.ENTRY else NOT_SENT


class _Forgetful(Books):
    """Tells the state that every trade is in the ledger, and writes none."""

    def write(self, state: BotState) -> tuple[str, ...]:
        super().write(replace(state, outbox=()))
        return tuple(item.key for item in state.outbox)


class _Optimistic(PatientBroker):
    """Takes an entry of unknown outcome for one that was not placed (rule 9)."""

    def submit(self, approved: Approved) -> SubmitOutcome:
        outcome = super().submit(approved)
        is_entry = approved.request.purpose is Purpose.ENTRY
        return NOT_SENT if isinstance(outcome, Unknown) and is_entry else outcome


class _Careless(Memory):
    """Takes a refusing disk for a willing one (rule 16)."""

    @property
    def is_writable(self) -> bool:
        return True

    def book(self, events: Sequence[Event]) -> bool:
        super().book(events)
        return True


class _Stubborn(OrderDoor):
    """Lets exits and protection wait for the disk, too (rule 16)."""

    def send(
        self, send: Send, facts: GuardFacts, dollars: DollarLimits, at: datetime
    ) -> Sent | Denied:
        if not self._memory.is_writable:
            return Sent(send, NOT_SENT)
        return super().send(send, facts, dollars, at)


class _Resigning(BrokerEye):
    """Ends the process when the broker cannot be reached (rule 24)."""

    def look(self, state: BotState, now: datetime) -> Picture | None:
        picture = super().look(state, now)
        if self.fault is not None:
            raise self.fault
        return picture


class _Offended(OrderDoor):
    """Ends the process when a trade is refused (rule 24)."""

    def send(
        self, send: Send, facts: GuardFacts, dollars: DollarLimits, at: datetime
    ) -> Sent | Denied:
        outcome = super().send(send, facts, dollars, at)
        if isinstance(outcome, Denied):
            raise RiskFault(f"refused by {outcome.code}")
        return outcome


def _with_broker(parts: Parts, broker: PatientBroker) -> Parts:
    """Let every part that writes to the broker write to this one."""
    log = OrdersLog(parts.settings.logs.orders, parts.clock)
    return replace(
        parts,
        broker=broker,
        door=OrderDoor(broker, parts.memory, log, parts.clock),
        settler=Settler(broker, parts.clock),
    )


def _resending(parts: Parts) -> Parts:
    return _with_broker(parts, _Resending(parts))


def _unprotecting(parts: Parts) -> Parts:
    return _with_broker(parts, _Unprotecting(parts.broker, parts.notifier, parts.clock))


def _forgetful(parts: Parts) -> Parts:
    log = OrdersLog(parts.settings.logs.orders, parts.clock)
    ledger = LedgerWriter(parts.settings.state.ledger, parts.clock)
    return replace(parts, books=_Forgetful(log, ledger))


def _optimistic(parts: Parts) -> Parts:
    return _with_broker(parts, _Optimistic(parts.broker, parts.notifier, parts.clock))


def _with_door(parts: Parts, kind: type[OrderDoor]) -> Parts:
    log = OrdersLog(parts.settings.logs.orders, parts.clock)
    return replace(parts, door=kind(parts.broker, parts.memory, log, parts.clock))


def _unlocked(parts: Parts) -> Parts:
    """Let the trading lock go, and write the state all the same (rule 13)."""
    store = parts.memory._store
    if store._lock is not None:
        store._lock.release()
    store._lock = None
    return parts


def _careless(parts: Parts) -> Parts:
    old = parts.memory
    memory = _Careless(old.state, old._journal, old._store, parts.clock)
    return _with_door(replace(parts, memory=memory), OrderDoor)


def _stubborn(parts: Parts) -> Parts:
    return _with_door(parts, _Stubborn)


def _resigning(parts: Parts) -> Parts:
    return replace(parts, eye=_Resigning(parts.broker))


def _offended(parts: Parts) -> Parts:
    return _with_door(parts, _Offended)


MUTANTS: Mapping[str, Callable[[Parts], Parts]] = {
    "resending": _resending,
    "unprotecting": _unprotecting,
    "forgetful": _forgetful,
    "optimistic": _optimistic,
    "unlocked": _unlocked,
    "careless": _careless,
    "stubborn": _stubborn,
    "resigning": _resigning,
    "offended": _offended,
}
