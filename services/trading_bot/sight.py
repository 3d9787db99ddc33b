"""What the bot sees of the broker, booked as it is seen: a whole picture, or a glance at orders."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from services.trading_bot.gather import Picture
from services.trading_bot.haste import naked_symbols
from services.trading_bot.money import MoneyWatch
from services.trading_bot.parts import Parts
from services.trading_bot.rebuilding import Rebuilder
from services.trading_bot.reconciling import Reconciler
from services.trading_bot.standing import flatten_wish
from services.trading_bot.statements import StatementWatch
from shared.errors import ConfigFault, SystemFault, TransientFault
from shared.events.types import Event, OrderSeen
from shared.models.broker import BrokerOrder
from shared.models.portfolio import Position
from shared.ports import Turn
from shared.resilience.lanes import Lane, in_lane


class Sight:
    """Reads, books, and remembers the last whole picture."""

    def __init__(self, parts: Parts, reconciler: Reconciler) -> None:
        self._parts = parts
        self._reconciler = reconciler
        self._rebuilder = Rebuilder(parts)
        self._money = MoneyWatch(parts)
        self._statements = StatementWatch(parts)
        self._is_glance = False
        self._open_orders: tuple[BrokerOrder, ...] = ()
        self.picture: Picture | None = None
        """None when the last whole look failed."""

    @property
    def positions(self) -> Mapping[str, Position] | None:
        """The broker's positions, None when they could not be read or only orders were."""
        return self.picture.positions if self.picture and not self._is_glance else None

    def foreign_orders(self) -> tuple[BrokerOrder, ...]:
        """Return the orders of others that work at the broker, as far as the last look read them.
        Asked for only where somebody holds shares beside ours, or adopts or closes them.
        """
        parts, picture = self._parts, self.picture
        wanted = parts.policy.adopt_external or bool(self._open_orders)
        wanted = wanted or bool(parts.memory.state.external_positions)
        if picture is None or not wanted:
            return ()
        known = parts.memory.state.orders.by_broker_id
        seen = {one.broker_order_id: one for one in (*self._open_orders, *picture.orders)}
        return tuple(one for key, one in seen.items() if one.status.is_live and known(key) is None)

    def see(self, turn: Turn) -> None:
        """Read the broker and book what it shows. Raises TransientFault for another account."""
        parts, now = self._parts, turn.reading.now
        hints = self._hints(now)
        picture = self.picture = self._look(now)
        if picture is None:
            return
        if picture.account.account_id != parts.memory.state.account_id:
            raise TransientFault("the broker shows another account: starting anew with its state")
        # In lock-step the stream's timing must not decide anything; REST shows the same.
        events = [] if parts.settings.is_lock_step else hints
        parts.memory.book([*events, *parts.eye.news(picture)])
        self._rebuilder.run(picture)
        self._money.book(picture)
        self._reconciler.run(picture)
        self._statements.run(picture, turn.reading)

    def see_again(self, turn: Turn) -> bool:
        """Look once more within a turn, after acting; False when the broker cannot be asked."""
        self._parts.host.alongside.renew()
        picture = self._look(turn.reading.now)
        if picture is None:
            return False
        self.picture = picture
        self._parts.memory.book(self._parts.eye.news(picture))
        self._reconciler.run(picture)
        return True

    def glance(self, turn: Turn) -> bool:
        """Read and book the orders alone; False when they cannot be read."""
        parts, now = self._parts, turn.reading.now
        hints = self._hints(now)
        with self._lane():
            news = parts.eye.glance(parts.memory.state, now)
        if news is None:
            return False
        parts.memory.book([*hints, *news])
        self._is_glance = True
        return True

    def end_glance(self) -> None:
        """Let the last whole picture count again."""
        self._is_glance = False

    def _hints(self, now: datetime) -> list[Event]:
        stream = self._parts.stream
        return [OrderSeen(hint.order, now) for hint in (stream.drain() if stream else ())]

    def _lane(self) -> AbstractContextManager[None]:
        """A look that naked shares wait for is protection: no share of reads holds it back."""
        is_naked = bool(naked_symbols(self._parts.memory.state))
        return in_lane(Lane.SAFETY) if is_naked else nullcontext()

    def _look(self, now: datetime) -> Picture | None:
        self._is_glance = False
        with self._lane():
            picture = self._parts.eye.look(self._parts.memory.state, now)
        is_half = picture is not None and picture.positions is None
        closes_all = flatten_wish(self._parts.stop_file)[1]
        self._open_orders = self._all_open() if closes_all and picture is not None else ()
        # In lock-step the exchange waits: a half picture must not change the replay.
        return None if is_half and self._parts.settings.is_lock_step else picture

    def _all_open(self) -> tuple[BrokerOrder, ...]:
        """Read every working order: what holds external shares may be older than any of ours. A
        read that fails cancels nothing; the broker then refuses to sell what is held.
        """
        try:
            return self._parts.broker.orders("open")
        except ConfigFault:
            raise
        except SystemFault:
            return ()
