"""The door to the broker: guard, record, send once, book the answer. Nothing else sends.

Order of every send (ORDER_PATH.md, DESIGN.md section 3): the guard approves, the intent is on
disk with its deterministic id, one POST or PATCH goes out, and the answer, whatever it is,
becomes an event. A disk that refuses stops entries only (rule 16).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.trading_bot.decision import BrokerClose, Cancel
from services.trading_bot.memory import Memory
from services.trading_bot.orders_log import OrdersLog, OrderStep
from services.trading_bot.sends import Send
from services.trading_bot.unseen import close_events
from shared.clock import Clock
from shared.errors import FailureClass
from shared.events.types import Event, IntentRecorded, OrderRefused, OrderSeen, OutcomeUnknown
from shared.models.broker import (
    Accepted,
    CloseOutcome,
    CloseRequested,
    NoPosition,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from shared.models.externals import serves_externals
from shared.models.orders import Purpose
from shared.ports import Broker
from shared.risk.approved import Approved
from shared.risk.circuit import is_error_burst
from shared.risk.dollars import DollarLimits
from shared.risk.facts import GuardFacts
from shared.risk.trade_guard import Denied, guard
from shared.telemetry.logs import log_event

FAILURES_MAX, FAILURES_WINDOW_S = 5, 60.0
"""So many orders refused or lost within so many seconds of market time are a burst."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one send."""

    send: Send
    outcome: SubmitOutcome


class OrderDoor:
    """Sends what the guard approves."""

    def __init__(self, broker: Broker, memory: Memory, orders_log: OrdersLog, clock: Clock) -> None:
        self._broker = broker
        self._memory = memory
        self._log = orders_log
        self._clock = clock
        self._logger = logging.getLogger("door")
        self._failures: deque[float] = deque(maxlen=FAILURES_MAX)
        self.on_denied: Callable[[Denied, datetime], None] | None = None

    def send(
        self, send: Send, facts: GuardFacts, dollars: DollarLimits, at: datetime
    ) -> Sent | Denied:
        """Judge, record and send one order; `at` is market time. Never raises for the broker."""
        verdict = guard(send.request, facts, dollars, self._clock.monotonic_s())
        if isinstance(verdict, Denied):
            self._note_denied(verdict, at)
            return verdict
        recorded = self._memory.book((IntentRecorded((send.order,), at),))
        if not recorded and send.request.purpose is Purpose.ENTRY:
            refusal = Rejected(FailureClass.TRANSIENT, "store", "the intent cannot be saved")
            self._book(send, refusal, at)
            return Sent(send, refusal)
        self._line(OrderStep.APPROVED, send, checks=len(verdict.trace))
        self._line(OrderStep.SUBMITTED, send, reason=send.request.reason)
        outcome = self._submit(verdict)
        self._book(send, outcome, at)
        return Sent(send, outcome)

    def has_error_burst(self, now: datetime) -> bool:
        """Whether so many orders were refused or lost of late that something must be wrong with
        what we send, or with where we send it. `now` is market time, as in `send`.
        """
        return is_error_burst(self._failures, now.timestamp(), FAILURES_MAX, FAILURES_WINDOW_S)

    def _submit(self, approved: Approved) -> SubmitOutcome:
        try:
            return self._broker.submit(approved)
        except Exception as failure:
            # Whatever broke in the door may have broken after the bytes left: nobody can say.
            self._logger.exception("submit failed", extra={"event": "submit_failed"})
            return Unknown(f"{type(failure).__name__}: {failure}")

    def _book(self, send: Send, outcome: SubmitOutcome, at: datetime) -> None:
        own_id = send.request.client_order_id
        event: Event
        match outcome:
            case Accepted(order):
                event = OrderSeen(order, at)
            case Rejected(_, code, message):
                event = OrderRefused(own_id, code, message, at)
            case Unknown(reason):
                event = OutcomeUnknown(own_id, reason, at)
        self._memory.book((event,))
        request, is_accepted = send.request, isinstance(outcome, Accepted)
        is_told_no = isinstance(outcome, Rejected) and serves_externals(send.order.position_key)
        if not is_accepted and not is_told_no:
            # A stop for shares that are not ours may be refused for whatever others do with them.
            self._failures.append(at.timestamp())
        log_event(
            self._logger,
            f"order_{type(outcome).__name__.lower()}",
            f"{request.purpose.value} {request.side.value} {request.qty} {request.symbol}: "
            f"{'accepted' if is_accepted else outcome}",
            level=logging.INFO if is_accepted else logging.WARNING,
            client_order_id=own_id,
            symbol=request.symbol,
        )

    def cancel(self, cancel: Cancel) -> bool:
        """Ask for one cancellation; False when the broker did not take the request.

        A refusal is often good news: the order has ended already, as the next read will show.
        """
        outcome = self._broker.cancel(cancel.broker_order_id)
        taken = not isinstance(outcome, Rejected | Unknown)
        log_event(
            self._logger,
            "cancel_requested" if taken else "cancel_not_taken",
            f"cancel {cancel.symbol} {cancel.client_order_id}: {cancel.reason}"
            + ("" if taken else f" ({outcome})"),
            client_order_id=cancel.client_order_id,
            symbol=cancel.symbol,
        )
        return taken

    def close(self, close: BrokerClose, at: datetime) -> None:
        """Ask the broker to close a position by its own computation, and book the answer. The
        plan's step that asks is recorded already.
        """
        outcome: CloseOutcome
        try:
            outcome = self._broker.close_position(close.symbol, close.qty)
        except Exception as failure:
            self._logger.exception("close failed", extra={"event": "close_failed"})
            outcome = Unknown(f"{type(failure).__name__}: {failure}")
        self._memory.book(close_events(close, outcome, at))
        taken = isinstance(outcome, CloseRequested | NoPosition)
        log_event(
            self._logger,
            f"close_{type(outcome).__name__.lower()}",
            f"close {close.qty or 'all'} {close.symbol} by the broker: {close.reason}"
            + ("" if taken else f" ({outcome})"),
            level=logging.INFO if taken else logging.WARNING,
            symbol=close.symbol,
            position_key=close.position_key,
        )

    def _note_denied(self, denied: Denied, at: datetime) -> None:
        request = denied.request
        self._log.write(
            OrderStep.DENIED,
            request.client_order_id,
            request.symbol,
            request.side.value,
            qty=request.qty,
            check=denied.code,
            limit=_text(denied.limit),
            value=_text(denied.value),
            purpose=request.purpose.value,
            reason=request.reason,
        )
        log_event(
            self._logger,
            "order_denied",
            f"{request.purpose.value} {request.side.value} {request.qty} {request.symbol} denied "
            f"by {denied.code}: {_text(denied.value)} against {_text(denied.limit)}",
            level=logging.WARNING,
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            check=denied.code,
            checks=list(denied.codes),
        )
        if self.on_denied is not None:
            self.on_denied(denied, at)

    def _line(self, step: OrderStep, send: Send, **facts: object) -> None:
        request = send.request
        self._log.write(
            step,
            request.client_order_id,
            request.symbol,
            request.side.value,
            qty=request.qty,
            purpose=request.purpose.value,
            **facts,
        )


def _text(value: object) -> str:
    return "unknown" if value is None else str(value)
