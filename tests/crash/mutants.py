"""Broken bots, wired for the proof that the harness notices. Nothing else uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from services.trading_bot.books import Books
from services.trading_bot.execution.door import OrderDoor
from services.trading_bot.execution.patience import PatientBroker
from services.trading_bot.execution.settling import Settler
from services.trading_bot.orders_log import OrdersLog
from services.trading_bot.parts import Parts
from shared.config.endpoints import load_endpoints
from shared.errors import FailureClass
from shared.models.broker import Rejected, SubmitOutcome, Unknown
from shared.models.orders import Purpose
from shared.models.trading_state import BotState
from shared.persistence.ledger import LedgerWriter
from shared.risk.approved import Approved
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


MUTANTS: Mapping[str, Callable[[Parts], Parts]] = {
    "resending": _resending,
    "unprotecting": _unprotecting,
    "forgetful": _forgetful,
}
