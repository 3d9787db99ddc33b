"""What grows with the years and with the book: the cost of one event is flat, a start linear."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from services.trading_bot.orders_log import OrdersLog, OrderStep
from shared.clock import SystemClock
from shared.config.paths import StatePaths
from shared.events.apply import apply, apply_all
from shared.events.types import Event, IntentRecorded, OrderSeen
from shared.models.layered import layered
from shared.models.order_book import OrderBook
from shared.models.orders import Order, OrderStatus
from shared.models.state_codec import state_from_payload, state_to_payload
from shared.models.trading_state import BotState
from shared.persistence.state_store import StateStore
from tests.bench.frame import Row, interleaved, median, time_each
from tests.support.builders import NOON, a_state, an_entry, filled, seen_of

LINES = 1_000_000
FEW, MANY = 1_000, 10_000
FLAT, LINEAR = 1.5, MANY / FEW * 1.5
EVENTS, STARTS = 60, 3


def log_row(folder: Path) -> Row:
    """Time one line of orders.jsonl behind a million others, beside one in a new file."""
    clock = SystemClock()
    old, new = folder / "old.jsonl", folder / "new.jsonl"

    def writer(path: Path) -> Callable[[], None]:
        log = OrdersLog(path, clock)
        return lambda: log.write(OrderStep.SUBMITTED, "sht-1", "AAPL", "buy", qty=10)

    writer(old)()
    line = old.read_bytes()
    with old.open("wb") as file:
        for _ in range(LINES // 1000):
            file.write(line * 1000)
    long, short = interleaved(writer(old), writer(new), 3_000)
    if old.stat().st_size < LINES * len(line):
        raise RuntimeError("the long log is not long")
    name = f"growth: a line behind {LINES:,} of orders.jsonl"
    return Row(name, "us", median(long) * 1e6, FLAT, "a line of a new file", median(short) * 1e6)


def held(symbol: str) -> tuple[Order, Event]:
    """Return the intent of an entry, and the event that fills it."""
    entry = an_entry(symbol)
    seen = filled(seen_of(entry, f"broker-{symbol}", OrderStatus.FILLED), 10, "100.00", NOON)
    return entry, OrderSeen(seen, NOON)


def state_with(positions: int) -> BotState:
    """Return a state with so many positions, each as the fills of its own order made it."""
    alone = []
    for number in range(positions):
        entry, fill = held(f"S{number:05d}")
        alone.append(apply_all(a_state(), (IntentRecorded((entry,), NOON), fill)))
    return replace(
        a_state(),
        positions=layered({name: one for state in alone for name, one in state.positions.items()}),
        orders=OrderBook(order for state in alone for order in state.orders.values()),
    )


def event_row(few: BotState, many: BotState) -> Row:
    """Time the intent and the fill of one more order in a large and in a small book."""
    entry, fill = held("ZZZZ")

    def booking(state: BotState) -> Callable[[], object]:
        intent = IntentRecorded((entry,), NOON)
        return lambda: apply_all(state, (intent, fill))

    if len(apply(many, IntentRecorded((entry,), NOON)).orders) != MANY + 1:
        raise RuntimeError("the bench's own order was not booked")
    large, small = interleaved(booking(many), booking(few), EVENTS)
    name = f"growth: booking an order, {MANY:,} positions"
    return Row(name, "ms", median(large) * 1e3, FLAT, f"{FEW:,} positions", median(small) * 1e3)


def start_row(folder: Path, few: BotState, many: BotState) -> Row:
    """Time the loading of the saved state."""

    def start(name: str, state: BotState) -> float:
        path = folder / name
        path.mkdir()
        store = StateStore(StatePaths(path), SystemClock())
        store.load()
        store.set_aside(state.mode, state.account_id)
        store.commit(state_to_payload(state))

        def load() -> None:
            loaded = StateStore(StatePaths(path), SystemClock()).load()
            if state_from_payload(loaded.payload).positions != state.positions:
                raise RuntimeError("the state was not found again")

        return median(time_each(load, STARTS, warmup=1))

    large, small = start("many", many), start("few", few)
    name = f"growth: loading {MANY:,} positions"
    return Row(name, "ms", large * 1e3, LINEAR, f"{FEW:,} positions", small * 1e3)


def rows() -> Iterator[Row]:
    """Measure the log, one event, and a start; the supervision bench grows the service table."""
    few, many = state_with(FEW), state_with(MANY)
    with tempfile.TemporaryDirectory() as name:
        yield log_row(Path(name))
        yield event_row(few, many)
        yield start_row(Path(name), few, many)
