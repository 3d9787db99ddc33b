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
from shared.errors import ConfigFault, SystemFault
from shared.events.types import Event, NotSent, OrderSeen
from shared.models.externals import serves_externals
from shared.models.orders import Order, OrderClass, OrderRole, OrderStatus, Purpose
from shared.models.portfolio import Position
from shared.models.trading_state import BotState
from shared.ports import Broker

QUICK_RESENDS, RESENDS_MAX = 5, 125
RESEND_PAUSE_S, LATER_PAUSE_S = 1.0, 5.0
"""Real seconds from a new send to the look that may ask for the next: for the quick ones, and for
those after them. Together they last for ten minutes; then the looks decide.
"""
FILLS_EVERY_S = 60.0
"""Real seconds between two looks at the activities for one order that a person must look at."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one round found."""

    events: tuple[Event, ...]
    resend: tuple[Send, ...]
    unresolved: tuple[str, ...]
    """Ids that a person must look at: absent, and yet the position moved."""

    def __add__(self, more: Settled) -> Settled:
        return Settled(
            self.events + more.events,
            self.resend + more.resend,
            self.unresolved + more.unresolved,
        )


class Settler:
    """Keeps count of the looks. That is not persisted: a new process looks again from 0 s."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._since_s: dict[str, float] = {}
        self._absent: dict[str, int] = {}
        self._resent: dict[str, int] = {}
        self._failed_s: dict[str, float] = {}
        """When an order could not be read last."""
        self._strange_s: dict[str, float] = {}
        """When the activities last showed a fill that may be an order's."""
        self._behind: dict[str, str | None] = {}
        """Client id of each order that such a fill belongs to, None when nobody knows it."""

    def settle(
        self, state: BotState, positions: Mapping[str, Position] | None, now: datetime
    ) -> Settled:
        """Look for what is due; `positions` None: not readable, so nothing is proved absent. Raises
        SystemFault when the broker cannot be asked; what was settled before that is returned, and
        what failed goes last the next time, so that one order keeps no other back.
        """
        self._forget(state)
        found = Settled((), (), ())
        for own_id in sorted(
            state.unknown_outcomes, key=lambda one: (self._failed_s.get(one, 0.0), one)
        ):
            order = state.orders.get(own_id)
            if order is None:
                continue
            try:
                found += self._settled(order, state, positions, now)
            except ConfigFault:
                raise
            except SystemFault:
                self._failed_s[own_id] = self._clock.monotonic_s()
                if found == Settled((), (), ()):
                    raise
                break
        return found

    def _settled(
        self,
        order: Order,
        state: BotState,
        positions: Mapping[str, Position] | None,
        now: datetime,
    ) -> Settled:
        own_id = order.client_order_id
        match self._step(order, state, positions):
            case SettleStep.LOOK:
                seen = self._found(order, now)
                if seen:
                    return Settled(seen, (), ())
                looks = self._absent[own_id] = self._absent.get(own_id, 0) + 1
                if looks == 1 and self._may_go_again(order, state):
                    self._look_anew(own_id)
                    return Settled((), (Send(resend_of(order, _purpose_of(order)), order),), ())
            case SettleStep.NOT_SENT:
                return Settled((NotSent(own_id, "absent in every look", now),), (), ())
            case SettleStep.UNRESOLVED:
                return Settled((), (), (own_id,))
            case SettleStep.WAIT:
                pass
        return Settled((), (), ())

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
        is_unchanged = _is_unchanged(order.symbol, state, positions)
        wants_fills = is_unchanged and absent >= len(LOOKS_AT_S)
        return settle_step(
            Looks(
                elapsed_s=self._clock.monotonic_s() - since_s,
                absent=absent,
                position_unchanged=is_unchanged,
                fill_seen=wants_fills and self._has_such_fill(order, state),
            )
        )

    def _has_such_fill(self, order: Order, state: BotState) -> bool:
        """Whether the activities show a fill that may be this order's and is nobody else's: it may
        have been bought and sold again since, so that the position says nothing.
        """
        own_id, now_s = order.client_order_id, self._clock.monotonic_s()
        if order.created_at is None:
            return False
        if own_id in self._strange_s and now_s - self._strange_s[own_id] < FILLS_EVERY_S:
            return True
        is_there = any(
            (fill.symbol, fill.side) == (order.symbol, order.side)
            and fill.cumulative_qty <= order.qty
            and state.orders.by_broker_id(fill.broker_order_id) is None
            and not self._is_of_another(fill.broker_order_id, order)
            for fill in self._broker.fills(order.created_at)
        )
        if is_there:
            self._strange_s[own_id] = now_s
        return is_there

    def _is_of_another(self, broker_order_id: str, order: Order) -> bool:
        """Whether the order behind a fill, asked for once, shows another client id: a person's, not
        this one's. The legs of a new group have ids of their own, on the side of its exits; the
        change of one leg carries ours (rule 4).
        """
        is_single = order.order_class is OrderClass.SIMPLE or order.replaces is not None
        if order.role is not OrderRole.ENTRY and not is_single:
            return False
        if broker_order_id not in self._behind:
            seen = self._broker.order(broker_order_id)
            self._behind[broker_order_id] = seen.client_order_id if seen is not None else None
        return self._behind[broker_order_id] not in (None, order.client_order_id)

    def _forget(self, state: BotState) -> None:
        for own_id in self._since_s.keys() - state.unknown_outcomes.keys():
            del self._since_s[own_id]
            for notes in (self._absent, self._resent, self._failed_s, self._strange_s):
                notes.pop(own_id, None)
        if not self._since_s:
            self._behind.clear()

    def _may_go_again(self, order: Order, state: BotState) -> bool:
        """Whether it protects, or closes shares whose stop is gone already, and they are there. A
        change that was lost left its group whole; of protection whose repeat was refused another
        kind is tried.
        """
        is_external = serves_externals(order.position_key)
        if order.symbol not in (state.external_positions if is_external else state.positions):
            return False
        if order.replaces is not None or order.role is OrderRole.ENTRY:
            return False
        if order.status is not OrderStatus.UNKNOWN:
            return False
        return self._resent.get(order.client_order_id, 0) < RESENDS_MAX

    def _look_anew(self, own_id: str) -> None:
        """Count the looks from the new send on."""
        resent = self._resent[own_id] = self._resent.get(own_id, 0) + 1
        pause_s = RESEND_PAUSE_S if resent <= QUICK_RESENDS else LATER_PAUSE_S
        self._absent[own_id] = 0
        self._since_s[own_id] = self._clock.monotonic_s() + pause_s


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
