"""Tries one fault of a real exchange on one call of our doors, and says everything about it."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from services.data_daemon.flow_plan import FAILED_ROUNDS_MAX, FlowFacts, judge_flow
from services.data_daemon.plan import MarketFacts
from services.data_daemon.plan import judge_health as judge_data
from services.data_daemon.reporter import CONFIRM_AFTER_S, Reporter
from services.trading_bot.heart import judge_health as judge_bot
from shared.clock import SystemClock
from shared.errors import ConfigFault, SystemFault
from shared.models.broker import ClockReading, Rejected, Unknown
from shared.telemetry.notify import Notifier
from shared.vendors.door_log import DoorLog
from tests.support.clock import ManualClock
from tests.support.door_calls import (
    BROKER,
    CALLS,
    FIELDS,
    FLOW,
    READ,
    RESTING_SYMBOL,
    SYMBOL,
    WHOLE,
    Call,
    Doors,
    Target,
    rules_for,
)
from tests.support.exchange_faults import BUY, clear, switch_on
from tests.support.exchange_process import ExchangeProcess
from tests.support.waiting import wait_until

LEASE_S, SETTLE_S = 60.0, 10.0
REFUSE_LEASE_S = 4.0
_NOTHING_ELSE_IS_WRONG = SimpleNamespace(drifts=SimpleNamespace(orders="", data=""))
"""As much of the bot as its health looks at once the broker cannot be asked."""
COUNTER: dict[str, Any] = {"kind": "silence", "lease_s": LEASE_S, "probability": 0}
"""A fault that never acts but counts every request at the server's own door."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault with its parameters."""

    kind: str
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def bends(self) -> bool:
        """Whether it bends a field, which each call has its own of."""
        return self.kind.startswith("field_") or self.kind == "unknown_word"

    @property
    def name(self) -> str:
        """How the table calls it."""
        words = " ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.kind} {words}".strip()


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a call under a fault."""

    outcome: str
    """The closed outcome or the family of the fault, and our word for it."""
    requests: int
    """As counted at the server."""
    health: str
    """The word of the service that made the call."""
    log: str
    """What the door wrote about it; - for nothing, as the caller tells it."""
    took_s: float
    posts: int


class Trials:
    """One exchange, one fault at a time."""

    def __init__(self, folder: Path) -> None:
        self._exchange = ExchangeProcess(
            folder, "--speed", "60", "--symbols", f"{SYMBOL},{RESTING_SYMBOL}"
        )
        self._number = int(time.time()) & 0xFFFFFF

    def __enter__(self) -> Trials:
        self._exchange.start()
        self._hold_shares()
        self._warm_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._exchange.__exit__()

    def _hold_shares(self) -> None:
        """Hold shares to protect and to close."""
        position = f"/v2/positions/{SYMBOL}"
        if self._exchange.call("GET", position).status_code == 200:
            return
        self._exchange.call("POST", "/v2/orders", json=BUY | {"symbol": SYMBOL, "qty": "50"})
        wait_until(lambda: self._exchange.call("GET", position).status_code == 200, SETTLE_S)

    def _warm_up(self) -> None:
        """Let the exchange make once what costs it more than our short waits."""
        doors = Doors(self._exchange.url, self._target(), WHOLE, lambda _: None)
        for call in CALLS:
            if call.lane == READ:
                with suppress(SystemFault):
                    call.make(doors)
        doors.close()

    def _target(self) -> Target:
        """Return a resting order to read, replace and cancel."""
        self._number += 1
        client_order_id = f"sht-h5salyam-momentum-{self._number + 0x1000000:012x}"
        body = {
            "symbol": RESTING_SYMBOL,
            "qty": "1",
            "side": "buy",
            "type": "limit",
            "limit_price": "9.00",
            "time_in_force": "gtc",
            "client_order_id": client_order_id,
        }
        reply = self._exchange.call("POST", "/v2/orders", json=body)
        order_id = reply.json()["id"]
        path = f"/v2/orders/{order_id}"
        # An order that is only on its way can neither be replaced nor canceled.
        wait_until(lambda: self._exchange.call("GET", path).json()["status"] == "new", SETTLE_S)
        return Target(order_id, client_order_id, self._number)

    def attempt(self, fault: Fault, call: Call) -> Finding:
        """Make the call under the fault."""
        clear(self._exchange)
        self._hold_shares()
        told: list[str] = []
        door = f"trial {threading.get_ident()}"
        ear = _Ear(door, told)
        door_log = DoorLog(door, SystemClock())
        doors = Doors(self._exchange.url, self._target(), rules_for(fault.kind), door_log.failed)
        is_refusing = fault.kind == "refuse_connection"
        lease_s = REFUSE_LEASE_S if is_refusing else LEASE_S
        counters = [switch_on(self._exchange, **COUNTER),
                    switch_on(self._exchange, **COUNTER,
                              scope={"method": "POST", "endpoint": "/v2/orders"})]  # fmt: skip
        before = [self._seen(each) for each in counters]
        words: dict[str, Any] = {"lease_s": lease_s, "parameters": dict(fault.parameters)}
        if fault.bends:
            words["parameters"]["path"] = FIELDS[call.name]
        if fault.kind == "halt":
            words["scope"] = {"symbol": RESTING_SYMBOL}
        switch_on(self._exchange, fault.kind, **words)
        if is_refusing and not self._refuses_in_time():
            # On a machine that stood still the lease may be over before anybody looked.
            doors.close()
            return self.attempt(fault, call)
        logging.getLogger().addHandler(ear)
        began = time.monotonic()
        try:
            answer: object = call.make(doors)
        except SystemFault as raised:
            answer = raised
        took_s = time.monotonic() - began
        logging.getLogger().removeHandler(ear)
        if is_refusing:
            wait_until(self._listens, REFUSE_LEASE_S * 2)
        seen, posts = (self._seen(c) - b for c, b in zip(counters, before, strict=True))
        doors.close()
        log = "; ".join(f"{word}" for word in Counter(told)) or "-"
        return Finding(outcome_of(answer), seen, health_of(call, answer), log, took_s, posts)

    def _seen(self, counter: str) -> int:
        return int(self._exchange.call("GET", f"/sim/faults/{counter}").json()["seen"])

    def _refuses_in_time(self) -> bool:
        try:
            wait_until(lambda: not self._listens(), REFUSE_LEASE_S)
        except AssertionError:
            return False
        return True

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._exchange.port), 1.0).close()
        except OSError:
            return False
        return True


class _Ear(logging.Handler):
    """Notes the events that one door logs; other trials may run beside."""

    def __init__(self, door: str, told: list[str]) -> None:
        super().__init__()
        self._door = door
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "door", None) == self._door:
            event = getattr(record, "event", "?")
            self._told.append(f"{event} {getattr(record, 'failure_class', '')}".strip())


def outcome_of(answer: object) -> str:
    """Return what came of a call, in words that no run changes."""
    if isinstance(answer, SystemFault):
        said = str(answer).partition(" (")[0]
        word = said.rpartition(": ")[2] if "(" in str(answer) else type(answer).__name__
        return f"{answer.failure_class} {word}"
    if isinstance(answer, Rejected):
        return f"Rejected {answer.failure_class} {answer.code}"
    if isinstance(answer, Unknown):
        return f"Unknown {answer.reason.partition(':')[0]}"
    return "answered"


def health_of(call: Call, answer: object) -> str:
    """Return the word that the calling service says of itself, by its own judgement."""
    if isinstance(answer, Unknown):
        return "DEGRADED"
    if not isinstance(answer, SystemFault):
        return "OK"
    if call.door == BROKER:
        if isinstance(answer, ConfigFault):
            return "FAILED_CONFIG, parked"
        health = judge_bot(cast(Any, _NOTHING_ELSE_IS_WRONG), answer)
        return f"{health.word} {health.failure_class or ''}".strip()
    return _health_of_flow(answer) if call.door == FLOW else _health_of_data(answer)


def _health_of_flow(fault: SystemFault) -> str:
    """Return the daemon's word once its rounds of option flow have failed often enough."""
    now = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
    reading = ClockReading(now, True, now + timedelta(days=1), now + timedelta(hours=6))
    is_refused = isinstance(fault, ConfigFault)
    facts = FlowFacts(FAILED_ROUNDS_MAX, str(fault), 0.0, None, is_refused)
    verdict = judge_flow(facts, reading, 0.0)
    return judge_data([verdict], MarketFacts(reading, now, now, 1.0), None)[0]


def _health_of_data(fault: SystemFault) -> str:
    clock = ManualClock()
    reporter = Reporter(Notifier(None), clock, 1.0, Counter())
    reporter.served()
    try:
        reporter.met(fault)
        clock.advance(CONFIRM_AFTER_S)
        trouble = reporter.met(fault)
    except ConfigFault:
        return "FAILED_CONFIG, parked"
    return judge_data((), MarketFacts(None, None, None, 1.0), trouble)[0]
