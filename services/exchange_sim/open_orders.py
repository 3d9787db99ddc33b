"""The live orders by symbol, and what requests and prices ask about them at a flat cost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from services.exchange_sim.claims import Claims
from services.exchange_sim.ladder import Ladder
from services.exchange_sim.records import ZERO, SimOrder
from services.exchange_sim.triggers import WorkingOrders
from services.exchange_sim.wash import AT_ANY_PRICE, is_exempt
from shared.models.orders import OrderType, Side


def largest_part(orders: Iterable[SimOrder], side: Side) -> Decimal:
    """Return the most shares that one of a group's orders of that side holds: its legs count
    once.
    """
    return max((one.remaining for one in orders if one.side is side and _holds(one)), default=ZERO)


def _holds(order: SimOrder) -> bool:
    # A replacement stands behind the order it replaces until that one is gone.
    return order.is_live and not order.inert and not order.is_waiting_swap


class _Rivals:
    """Orders of one side that another one may not stand beside."""

    def __init__(self) -> None:
        self._any: dict[str, None] = {}
        self._limits = Ladder()
        self._prices: dict[str, Decimal] = {}

    def put(self, order: SimOrder) -> None:
        self._any.pop(order.id, None)
        price = self._prices.pop(order.id, None)
        if price is not None:
            self._limits.remove((price, order.seq, order.id))
        if not order.is_live or is_exempt(order):
            return
        if order.type in AT_ANY_PRICE:
            self._any[order.id] = None
        elif order.type is OrderType.LIMIT and order.limit_price is not None:
            self._prices[order.id] = order.limit_price
            self._limits.add((order.limit_price, order.seq, order.id))

    def nearest(self, side: Side) -> Iterator[str]:
        """Yield the oldest one at any price, and the limit that crosses first."""
        yield from list(self._any)[:1]
        if self._limits.rungs:
            yield self._limits.rungs[-1 if side is Side.BUY else 0][2]


def _by_side() -> dict[Side, dict[str, Decimal]]:
    return {side: {} for side in Side}


def _no_rivals() -> dict[Side, _Rivals]:
    return {side: _Rivals() for side in Side}


@dataclass(slots=True)
class _Symbol:
    names: dict[str, None] = field(default_factory=dict)
    working: WorkingOrders = field(default_factory=WorkingOrders)
    parts: dict[Side, dict[str, Decimal]] = field(default_factory=_by_side)
    """Shares held, by group or single order."""
    held: dict[Side, Decimal] = field(default_factory=lambda: dict.fromkeys(Side, ZERO))
    rivals: dict[Side, _Rivals] = field(default_factory=_no_rivals)


class OpenOrders:
    """Fed with every order as it changes."""

    def __init__(self) -> None:
        self._symbols: dict[str, _Symbol] = {}
        self.claims = Claims()

    def put(self, order: SimOrder, group: Iterable[SimOrder]) -> None:
        """Take an order as it is now, with all orders of its group, itself included."""
        known = self._symbols.setdefault(order.symbol, _Symbol())
        if order.is_live:
            known.names[order.id] = None
        else:
            known.names.pop(order.id, None)
        known.working.put(order)
        known.rivals[order.side].put(order)
        self.claims.put(order)
        name, parts = order.group_id or order.id, known.parts[order.side]
        part = largest_part(group, order.side)
        known.held[order.side] += part - parts.pop(name, ZERO)
        if part:
            parts[name] = part
        if not known.names:
            del self._symbols[order.symbol]

    def symbols(self) -> list[str]:
        """Return the symbols that have live orders, sorted."""
        return sorted(self._symbols)

    def has(self, symbol: str) -> bool:
        """Whether the symbol has a live order."""
        return symbol in self._symbols

    def names(self, symbol: str) -> list[str]:
        """Return the ids of a symbol's live orders."""
        known = self._symbols.get(symbol)
        return [] if known is None else list(known.names)

    def held_qty(self, symbol: str, side: Side) -> Decimal:
        """Return the shares that live orders of that side hold; a group's legs count once."""
        known = self._symbols.get(symbol)
        return ZERO if known is None else known.held[side]

    def part(self, order: SimOrder) -> Decimal:
        """Return the shares that the order's group, or it alone, holds on its side."""
        known = self._symbols.get(order.symbol)
        return (
            ZERO if known is None else known.parts[order.side].get(order.group_id or order.id, ZERO)
        )

    def rivals(self, order: SimOrder) -> list[str]:
        """Return the resting orders that a new one would be refused beside, if beside any."""
        known, side = self._symbols.get(order.symbol), order.side.opposite
        return [] if known is None else list(known.rivals[side].nearest(side))

    def working(self, symbol: str) -> WorkingOrders:
        """Return the symbol's orders by what wakes them."""
        known = self._symbols.get(symbol)
        return WorkingOrders() if known is None else known.working
