"""The bot's memory on a disk that refuses: nothing is forgotten, entries stop, exits go out."""

from __future__ import annotations

import errno
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.execution.door import OrderDoor
from services.trading_bot.memory import Memory
from services.trading_bot.orders_log import OrdersLog
from services.trading_bot.sends import Holding, Send, entry_send, exit_send
from shared.config.settings import Settings
from shared.events.replay import replay
from shared.events.types import IntentRecorded, OperatorPaused
from shared.models.broker import Rejected
from shared.models.limits import Limits
from shared.models.trading_state import BotState
from shared.persistence.journal import Journal
from shared.persistence.state_store import StateStore
from shared.risk.dollars import DollarLimits
from tests.support.bot_bench import NOON, BotBench, a_signal
from tests.support.clock import ManualClock
from tests.support.fake_broker import FakeBroker
from tests.support.files import FaultyFiles, failing
from tests.support.guard_builders import good_facts
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

FRESH = BotState("sim", "PA0000000001", "abcd1234")


class Disk:
    """A disk that refuses while `is_full`."""

    def __init__(self) -> None:
        self.is_full = False
        self.files = FaultyFiles(1, self._trouble, lasting=True)

    def _trouble(self, method: str) -> None:
        if self.is_full and method != "close":
            failing(errno.ENOSPC)(method)


def a_memory(folder: Path, disk: Disk, state: BotState = FRESH) -> tuple[Memory, Settings]:
    """A memory on that disk."""
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    settings = make_settings(folder)
    clock = ManualClock()
    store = StateStore(settings.state, clock, disk.files)
    store.load()
    journal = Journal(settings.state.journal, clock, disk.files)
    journal.open("sim", "PA0000000001")
    return Memory(state, journal, store, clock), settings


def journaled(settings: Settings, state: BotState = FRESH) -> BotState:
    """The state that a new process would find by the journal alone."""
    journal = Journal(settings.state.journal, ManualClock())
    journal.open("sim", "PA0000000001")
    return replay(state, journal.replay(journal.base_seq))


def an_entry(state: BotState) -> Send:
    """An entry that every check lets pass."""
    return entry_send(state, a_signal(), Decimal(10), NOON)


def test_memory_when_events_are_booked_then_the_journal_alone_brings_them_back(
    tmp_path: Path,
) -> None:
    """What is booked survives without any commit of the state."""
    memory, settings = a_memory(tmp_path, Disk())
    send = an_entry(memory.state)

    assert memory.book((IntentRecorded((send.order,), NOON), OperatorPaused("me", "why", NOON)))

    assert journaled(settings) == memory.state


def test_memory_when_the_disk_refuses_then_events_live_on_and_are_journaled_later(
    tmp_path: Path,
) -> None:
    """Held in memory first, on the disk with the next batch that it takes (rule 16)."""
    disk = Disk()
    memory, settings = a_memory(tmp_path, disk)
    disk.is_full = True

    booked = memory.book((OperatorPaused("me", "why", NOON),))

    assert not booked
    assert not memory.is_writable
    assert memory.state.operator.paused
    disk.is_full = False
    assert memory.book((IntentRecorded((an_entry(memory.state).order,), NOON),))
    assert memory.is_writable
    assert journaled(settings) == memory.state


def test_memory_when_committed_then_a_new_process_loads_the_same_state(tmp_path: Path) -> None:
    """The whole state stands in trading_state.json."""
    memory, settings = a_memory(tmp_path, Disk())
    memory.book((OperatorPaused("me", "why", NOON),))

    memory.commit(now=True)

    loaded = StateStore(settings.state, ManualClock()).load()
    assert loaded.payload is not None
    assert loaded.payload["operator"]["paused"] is True
    assert loaded.payload["journal_seq"] == 1


def test_memory_when_the_first_save_fails_then_entries_wait_for_it_whatever_the_journal_takes(
    tmp_path: Path,
) -> None:
    """Else the death of a new account would leave orders of which no saved state ever told."""
    disk = Disk()
    memory, settings = a_memory(tmp_path, disk)
    disk.is_full = True
    memory.commit(now=True)
    disk.is_full = False

    assert memory.book((OperatorPaused("me", "why", NOON),))
    assert not memory.is_writable
    assert journaled(settings) == memory.state
    memory.commit(now=True)
    assert memory.is_writable


@pytest.mark.parametrize("is_full", [False, True])
def test_door_when_the_disk_refuses_then_an_entry_stays_and_an_exit_goes(
    tmp_path: Path, is_full: bool
) -> None:
    """Entries need their intent on disk; what reduces risk does not wait for a disk."""
    disk, bench = Disk(), BotBench()
    bench.hold()
    memory, settings = a_memory(tmp_path, disk, bench.state)
    broker: FakeBroker = bench.broker
    sent_before = len(broker.submitted)
    clock = ManualClock()
    door = OrderDoor(broker, memory, OrdersLog(settings.logs.orders, clock), clock)
    dollars = DollarLimits.of(Limits(), Decimal(100_000))
    facts = good_facts(
        equity=Decimal(100_000), position_qty=Decimal(10), position_qty_known=Decimal(10),
        exits_live_qty=Decimal(0), unknown_exits=0,
    )  # fmt: skip
    flat = good_facts(equity=Decimal(100_000), position_qty=Decimal(0))
    entry = entry_send(memory.state, a_signal("MSFT"), Decimal(10), NOON)
    holding = Holding(memory.state, memory.state.positions["AAPL"], NOON)
    leave = exit_send(holding, Decimal(10), "a test")
    disk.is_full = is_full

    first = door.send(entry, flat, dollars, NOON)
    door.send(leave, facts, dollars, NOON)

    refused = isinstance(getattr(first, "outcome", None), Rejected)
    assert refused is is_full
    assert [request.symbol for request in broker.submitted[sent_before:]] == (
        ["AAPL"] if is_full else ["MSFT", "AAPL"]
    )
