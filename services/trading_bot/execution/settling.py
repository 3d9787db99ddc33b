"""Settles orders of which nobody can say whether they exist (ORDER_PATH.md rule 10).

When to look and what the looks prove is decided in `settling`; here the looks are made. Found:
booked with its legs. Proved absent: NOT_SENT. What protects or closes is sent again at once, under
the same id, because the broker refuses a double; an entry never is, and neither is a change: it
left its group whole, and the order that it was to replace tells first what became of it (rule 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.trading_bot.sends import Send, resend_of
from services.trading_bot.settling import LOOKS_AT_S, Looks, SettleStep, settle_step
from shared.clock import Clock
from shared.events.types import Event, NotSent, OrderSeen
from shared.models.orders import Order, OrderRole, OrderStatus, Purpose
from shared.models.portfolio import Position
from shared.models.trading_state import BotState
from shared.ports import Broker

RESENDS_MAX = 5
RESEND_PAUSE_S = 1.0
"""Real seconds from a new send to the look that may ask for the next."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one round found."""

    events: tuple[Event, ...]
    resend: tuple[Send, ...]
    unresolved: tuple[str, ...]
    """Ids that a person must look at: absent, and yet the position moved."""


class Settler:
    """Keeps count of the looks. That is not persisted: a new process looks again from 0 s."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._since_s: dict[str, float] = {}
        self._absent: dict[str, int] = {}
        self._resent: dict[str, int] = {}

    def settle(
        self, state: BotState, positions: Mapping[str, Position] | None, now: datetime
    ) -> Settled:
        """Look for what is due; `positions` None: not readable, so nothing is proved absent. Raises
        SystemFault when the broker cannot be asked.
        """
        self._forget(state)
        events: list[Event] = []
        resend: list[Send] = []
        unresolved: list[str] = []
        for own_id in sorted(state.unknown_outcomes):
            order = state.orders.get(own_id)
            if order is None:
                continue
            match self._step(order, state, positions):
                case SettleStep.LOOK:
                    found = self._found(order, now)
                    if found:
                        events.extend(found)
                        continue
                    looks = self._absent[own_id] = self._absent.get(own_id, 0) + 1
                    if looks == 1 and self._may_go_again(order):
                        resend.append(Send(resend_of(order, _purpose_of(order)), order))
                        self._look_anew(own_id)
                case SettleStep.NOT_SENT:
                    events.append(NotSent(own_id, "absent in every look", now))
                case SettleStep.UNRESOLVED:
                    unresolved.append(own_id)
                case SettleStep.WAIT:
                    continue
        return Settled(tuple(events), tuple(resend), tuple(unresolved))

    def _found(self, order: Order, now: datetime) -> tuple[Event, ...]:
        """Return what one look shows of the order, nothing when the broker does not know it."""
        own_id = order.client_order_id
        old = self._broker.order(order.replaces) if order.replaces is not None else None
        if old is not None and old.replaced_by is not None:
            successor = self._broker.order(old.replaced_by)
            if successor is not None and successor.client_order_id == own_id:
                return (OrderSeen(old, now), OrderSeen(successor, now))
        seen = self._broker.order_by_client_id(own_id)
        if seen is not None:
            return (OrderSeen(seen, now),)
        if old is not None and old.status.is_terminal and old.status is not OrderStatus.REPLACED:
            words = f"the order that it was to replace is {old.status.value}"
            return (OrderSeen(old, now), NotSent(own_id, words, now))
        return ()

    def _step(
        self, order: Order, state: BotState, positions: Mapping[str, Position] | None
    ) -> SettleStep:
        own_id = order.client_order_id
        since_s = self._since_s.setdefault(own_id, self._clock.monotonic_s())
        absent = self._absent.get(own_id, 0)
        return settle_step(
            Looks(
                elapsed_s=self._clock.monotonic_s() - since_s,
                absent=absent,
                position_unchanged=_is_unchanged(order.symbol, state, positions),
                fill_seen=absent >= len(LOOKS_AT_S) and self._has_such_fill(order, state),
            )
        )

    def _has_such_fill(self, order: Order, state: BotState) -> bool:
        """Whether the activities show a fill that may be this order's and is nobody else's: it may
        have been bought and sold again since, so that the position says nothing.
        """
        if order.created_at is None:
            return False
        return any(
            (fill.symbol, fill.side) == (order.symbol, order.side)
            and fill.cumulative_qty <= order.qty
            and state.orders.by_broker_id(fill.broker_order_id) is None
            for fill in self._broker.fills(order.created_at)
        )

    def _forget(self, state: BotState) -> None:
        for own_id in self._since_s.keys() - state.unknown_outcomes.keys():
            del self._since_s[own_id]
            self._absent.pop(own_id, None)
            self._resent.pop(own_id, None)

    def _may_go_again(self, order: Order) -> bool:
        """Whether it protects, or closes shares whose stop is gone already. A change that was lost
        left its group whole; of protection whose repeat was refused another kind is tried.
        """
        if order.replaces is not None or order.role is OrderRole.ENTRY:
            return False
        if order.status is not OrderStatus.UNKNOWN:
            return False
        return self._resent.get(order.client_order_id, 0) < RESENDS_MAX

    def _look_anew(self, own_id: str) -> None:
        """Count the looks from the new send on."""
        self._resent[own_id] = self._resent.get(own_id, 0) + 1
        self._absent[own_id] = 0
        self._since_s[own_id] = self._clock.monotonic_s() + RESEND_PAUSE_S


def _purpose_of(order: Order) -> Purpose:
    return Purpose.REDUCE if order.role is OrderRole.EXIT else Purpose.PROTECT


def _is_unchanged(symbol: str, state: BotState, positions: Mapping[str, Position] | None) -> bool:
    """Whether the broker holds exactly what our fills, and the externals, come to."""
    if positions is None:
        return False
    shown = positions.get(symbol)
    known = (state.positions.get(symbol), state.external_positions.get(symbol))
    expected = sum(held.qty for held in known if held is not None)
    return (shown.qty if shown is not None else 0) == expected
