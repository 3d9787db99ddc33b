"""The end of a history: what the bot believes, beside the exchange's own books."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.records import SimFill
from shared.models.orders import Side
from shared.models.state_codec import state_from_payload
from shared.models.trading_state import BotState
from shared.persistence.document import unseal
from shared.persistence.ledger import LedgerReader, Row
from tests.crash.bot import house_settings
from tests.crash.person import Person, moves_others
from tests.crash.watch import is_ours

ZERO = Decimal(0)
HALF_CENT = Decimal("0.005")
ROWS_MAX = 10_000


@dataclass(slots=True)
class Trip:
    """A symbol's way from flat to flat, from the exchange's executions alone."""

    key: str
    """client_order_id of the order that began it."""
    qty: Decimal = ZERO
    held: Decimal = ZERO
    pnl: Decimal = ZERO

    @property
    def is_closed(self) -> bool:
        """Whether it ended flat."""
        return self.held == 0


def read_state(folder: Path) -> BotState:
    """Return what the bot left on disk; raises for anything but a whole file."""
    raw = house_settings(folder).state.trading_state.read_bytes()
    return state_from_payload(unseal(raw).payload)


def trips_of(exchange: Exchange) -> list[Trip]:
    """Return every round trip, in the order of their beginnings."""
    found: list[Trip] = []
    running: dict[str, Trip] = {}
    for fill in exchange.activities.all():
        if not isinstance(fill, SimFill):
            continue
        order = exchange.books.find(fill.order_id)
        if order is not None and moves_others(order.client_order_id):
            continue
        trip = running.get(fill.symbol)
        if trip is None:
            trip = running[fill.symbol] = Trip(order.client_order_id if order else "")
            found.append(trip)
        signed = fill.qty if fill.side is Side.BUY else -fill.qty
        trip.held += signed
        trip.pnl -= signed * fill.price
        trip.qty += max(ZERO, signed)
        if trip.is_closed:
            del running[fill.symbol]
    return found


def differences(exchange: Exchange, folder: Path, person: Person) -> list[str]:
    """Return everything in which bot and exchange differ, one sentence each; what the person holds
    is not the bot's.
    """
    state = read_state(folder)
    ledger = LedgerReader(house_settings(folder).state.ledger).trades(ROWS_MAX)
    trips = trips_of(exchange)
    return [
        *_positions(exchange, state, person),
        *_orders(exchange, state),
        *_trades(trips, ledger),
        *_money(exchange, state, trips),
        *_cash(exchange, trips, person),
        *_leftovers(state, is_open=exchange.clock().is_open),
    ]


def _positions(exchange: Exchange, state: BotState, person: Person) -> Iterable[str]:
    held = exchange.books.positions
    for symbol in sorted(held.keys() | state.positions.keys() | state.external_positions.keys()):
        beside = person.held(symbol)
        there = (held[symbol].qty if symbol in held else ZERO) - beside
        here = state.positions[symbol].qty if symbol in state.positions else ZERO
        if there != here:
            yield f"{symbol}: the exchange holds {there} for the bot, it believes {here}"
        external = state.external_positions.get(symbol)
        if (external.qty if external is not None else ZERO) != beside:
            yield f"{symbol}: a person holds {beside}, the bot calls external {external}"


def _orders(exchange: Exchange, state: BotState) -> Iterable[str]:
    known = set()
    for order in exchange.books.orders.values():
        ours = state.orders.by_broker_id(order.id)
        name = f"{order.role.value} {order.side.value} {order.symbol} {order.client_order_id}"
        if ours is None:
            if is_ours(order) and (order.is_live or order.filled_qty > 0):
                words = f"{order.status.value}, filled {order.filled_qty}"
                yield f"forgotten: {name} is {words} at the exchange and unknown to the bot"
            continue
        known.add(ours.client_order_id)
        there = (order.status.value, order.filled_qty)
        here = (ours.status.value, ours.filled_qty)
        if there != here:
            yield f"{name}: the exchange says {there}, the bot {here}"
    for own_id, order_here in state.orders.items():
        if own_id not in known and order_here.status.is_live:
            yield f"invented: {own_id} is {order_here.status.value}, the exchange knows nothing"


def _trades(trips: list[Trip], ledger: tuple[Row, ...]) -> Iterable[str]:
    closed = {trip.key: trip for trip in trips if trip.is_closed}
    booked = {str(row["trade_key"]): row for row in ledger}
    if len(booked) != len(ledger):
        yield f"the ledger holds {len(ledger)} trades under {len(booked)} keys"
    for key in sorted(closed.keys() - booked.keys()):
        yield f"lost: the trade {key} ({closed[key].pnl}) is not in the ledger"
    for key in sorted(booked.keys() - closed.keys()):
        yield f"invented: the ledger's trade {key} never closed at the exchange"
    for key in sorted(closed.keys() & booked.keys()):
        trip, row = closed[key], booked[key]
        if abs(trip.pnl - Decimal(row["pnl"])) > HALF_CENT:
            yield f"{key}: the ledger's P&L is {row['pnl']}, the exchange's {trip.pnl}"
        if trip.qty != Decimal(row["qty"]):
            yield f"{key}: the ledger's quantity is {row['qty']}, the exchange's {trip.qty}"


def _money(exchange: Exchange, state: BotState, trips: list[Trip]) -> Iterable[str]:
    closed = [trip.pnl for trip in trips if trip.is_closed]
    slack = HALF_CENT * max(1, len(closed))
    if abs(state.pnl.realized - sum(closed, ZERO)) > slack:
        yield f"realised: the bot says {state.pnl.realized}, the executions {sum(closed, ZERO)}"
    if state.pnl.trades != len(closed):
        yield f"the bot counts {state.pnl.trades} trades, the exchange {len(closed)}"
    won = sum(1 for pnl in closed if pnl > 0)
    lost = sum(1 for pnl in closed if pnl < 0)
    counts = (state.pnl.wins, state.pnl.losses, state.pnl.breakeven)
    if counts != (won, lost, len(closed) - won - lost):
        yield f"the bot counts {counts} won, lost, even; the exchange has {won}, {lost}"


def _cash(exchange: Exchange, trips: list[Trip], person: Person) -> Iterable[str]:
    account = exchange.books.account
    moved = account.cash - account.start_cash + person.spent
    traded = sum((trip.pnl for trip in trips if trip.is_closed), ZERO)
    if all(trip.is_closed for trip in trips) and moved != traded:
        yield f"cash moved by {moved}, trades by {traded}"


def _leftovers(state: BotState, *, is_open: bool) -> Iterable[str]:
    if state.unknown_outcomes:
        yield f"unknown outcomes remain: {', '.join(sorted(state.unknown_outcomes))}"
    # Out of session a market order waits for the next one, and its plan with it.
    for plan in state.plans if is_open else ():
        yield f"a plan never ended: {plan.kind.value} {plan.symbol} at {plan.step}"
    if state.early_fills:
        yield f"early fills remain: {sorted(state.early_fills)}"
    for hold in state.holds.values():
        yield f"held back: {hold.kind.value}: {hold.reason}"
