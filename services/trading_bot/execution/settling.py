"""Settles orders of which nobody can say whether they exist (ORDER_PATH.md rule 10).

When to look and what the looks prove is decided in `settling`; here the looks are made. Found:
booked with its legs. Proved absent: NOT_SENT. What protects or closes is sent again at once, under
the same id, because the broker refuses a double; an entry never is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.trading_bot.sends import Send, resend_of
from services.trading_bot.settling import Looks, SettleStep, settle_step
from shared.clock import Clock
from shared.events.types import Event, NotSent, OrderSeen
from shared.models.orders import Order, OrderRole, Purpose
from shared.models.portfolio import Position
from shared.models.trading_state import BotState
from shared.ports import Broker

_PROTECTIVE = (OrderRole.TARGET, OrderRole.STOP)
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
                    seen = self._broker.order_by_client_id(own_id)
                    if seen is not None:
                        events.append(OrderSeen(seen, now))
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

    def _step(
        self, order: Order, state: BotState, positions: Mapping[str, Position] | None
    ) -> SettleStep:
        own_id = order.client_order_id
        since_s = self._since_s.setdefault(own_id, self._clock.monotonic_s())
        return settle_step(
            Looks(
                elapsed_s=self._clock.monotonic_s() - since_s,
                absent=self._absent.get(own_id, 0),
                position_unchanged=_is_unchanged(order.symbol, state, positions),
            )
        )

    def _forget(self, state: BotState) -> None:
        for own_id in self._since_s.keys() - state.unknown_outcomes.keys():
            del self._since_s[own_id]
            self._absent.pop(own_id, None)
            self._resent.pop(own_id, None)

    def _may_go_again(self, order: Order) -> bool:
        """Whether it protects, or closes shares whose stop is gone already. A change that was lost
        left its group whole.
        """
        if self._resent.get(order.client_order_id, 0) >= RESENDS_MAX:
            return False
        closes = order.role is OrderRole.EXIT and order.replaces is None
        return closes or order.role in _PROTECTIVE

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
