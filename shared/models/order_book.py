"""All orders that we know, found by our id, by the broker's id and by position."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView

from shared.models.layered import Layered
from shared.models.orders import Order


class OrderBook(Mapping[str, Order]):
    """An unchanging mapping client_order_id → Order with two indexes; `put` returns a new one."""

    __slots__ = ("_by_broker_id", "_groups", "_open", "_orders", "_symbols")

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._orders: Layered[Order] = Layered()
        self._by_broker_id: Layered[str] = Layered()
        self._groups: Layered[tuple[str, ...]] = Layered()
        self._symbols: Layered[tuple[str, ...]] = Layered()
        self._open: Layered[None] = Layered()
        for order in orders:
            self._insert(order)

    def _insert(self, order: Order) -> None:
        own_id = order.client_order_id
        old = self._orders.get(own_id)
        self._orders = self._orders.put(own_id, order)
        if order.broker_order_id:
            self._by_broker_id = self._by_broker_id.put(order.broker_order_id, own_id)
        if order.status.is_terminal:
            self._open = self._open.without(own_id)
        elif own_id not in self._open:
            self._open = self._open.put(own_id, None)
        if old is None:
            of_symbol = self._symbols.get(order.symbol, ())
            self._symbols = self._symbols.put(order.symbol, (*of_symbol, own_id))
        if old is not None and old.position_key != order.position_key:
            rest = tuple(name for name in self._groups[old.position_key] if name != own_id)
            self._groups = self._groups.put(old.position_key, rest)
            old = None
        if old is None:
            members = self._groups.get(order.position_key, ())
            self._groups = self._groups.put(order.position_key, (*members, own_id))

    def put(self, *orders: Order) -> OrderBook:
        """Return a book in which these orders replace, or join, the ones of the same id."""
        book = object.__new__(OrderBook)
        for name in self.__slots__:
            setattr(book, name, getattr(self, name))
        for order in orders:
            book._insert(order)
        return book

    def without(self, names: Iterable[str]) -> OrderBook:
        """Return a book without the orders of these ids."""
        gone = frozenset(names)
        return OrderBook(order for name, order in self._orders.items() if name not in gone)

    def by_broker_id(self, broker_order_id: str) -> Order | None:
        """Return the order that the broker knows by this id."""
        name = self._by_broker_id.get(broker_order_id)
        return self._orders[name] if name is not None else None

    def group(self, position_key: str) -> tuple[Order, ...]:
        """Return every order that serves this position, in the order they became known."""
        if not position_key:
            return ()
        return tuple(self._orders[name] for name in self._groups.get(position_key, ()))

    def groups(self) -> Iterator[tuple[str, tuple[Order, ...]]]:
        """Yield each position's key with its orders; the key is empty for foreign orders."""
        for key, names in self._groups.items():
            if names:
                yield key, tuple(self._orders[name] for name in names)

    def open(self) -> Iterator[Order]:
        """Yield the orders that are not over: intended, unknown and working ones."""
        return (self._orders[name] for name in self._open)

    def live(self) -> Iterator[Order]:
        """Yield the orders that work, or may work, at the broker."""
        return (order for order in self.open() if order.status.is_live)

    def of_symbol(self, symbol: str) -> tuple[Order, ...]:
        """Return the orders of one symbol."""
        return tuple(self._orders[name] for name in self._symbols.get(symbol, ()))

    def __getitem__(self, client_order_id: str) -> Order:
        return self._orders[client_order_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._orders)

    def __len__(self) -> int:
        return len(self._orders)

    # Each cycle walks over all orders several times; the mapping's own views are slow Python.
    def values(self) -> ValuesView[Order]:
        """Return a view of the orders."""
        return self._orders.values()

    def items(self) -> ItemsView[str, Order]:
        """Return a view of ids and orders."""
        return self._orders.items()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OrderBook) and self._orders == other._orders

    __hash__ = None  # type: ignore[assignment]  # equal by content, like every mapping

    def __repr__(self) -> str:
        return f"OrderBook({len(self)} orders, {sum(1 for _ in self.live())} live)"
