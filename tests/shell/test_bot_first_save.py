"""An account whose first save never came: its journal tells everything, or a person must look."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.account_state import open_memory
from services.trading_bot.memory import Memory
from services.trading_bot.sends import entry_send
from shared.config.settings import Settings
from shared.events.types import IntentRecorded, OperatorPaused
from shared.models.trading_state import HoldKind
from shared.persistence.marker import MARKER_NAME
from shared.persistence.state_store import StateStore
from tests.support.bot_bench import NOON, a_signal
from tests.support.clock import ManualClock
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

ACCOUNT, EPOCH = "PA0000000001", "abcd1234"
SAVED = ("trading_state.json", "trading_state.json.bak")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty state folder."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "logs").mkdir()
    return make_settings(tmp_path)


def opened(settings: Settings) -> Memory:
    """The memory of a process that starts."""
    clock = ManualClock()
    store = StateStore(settings.state, clock)
    return open_memory(settings, clock, store, store.load(), (ACCOUNT, EPOCH))


def paused(settings: Settings, *more: str) -> Memory:
    """A first life with a pause in its journal, of which only the journal is left."""
    memory = opened(settings)
    for reason in ("lunch", *more):
        memory.book((OperatorPaused("me", reason, NOON),))
    lose(settings, *SAVED, MARKER_NAME)
    return memory


def lose(settings: Settings, *names: str) -> None:
    """Take these files away."""
    for name in names:
        (settings.state.root / name).unlink(missing_ok=True)


def test_state_when_its_first_save_never_came_then_the_journal_alone_brings_it_back(
    settings: Settings,
) -> None:
    """Whole from its first record and without an order: nobody has to approve anything."""
    paused(settings)

    again = opened(settings).state

    assert again.holds == {}
    assert again.operator.paused
    assert again.id_epoch == EPOCH


def test_state_when_an_order_stands_in_a_lone_journal_then_a_person_must_look(
    settings: Settings,
) -> None:
    """No entry goes out before the first save: a saved state was there, and it is lost."""
    memory = paused(settings)
    send = entry_send(memory.state, a_signal(), Decimal(10), NOON)
    memory.book((IntentRecorded((send.order,), NOON),))

    again = opened(settings).state

    assert HoldKind.REBUILD.value in again.holds
    assert again.operator.paused


def test_state_when_the_marker_knows_of_a_saved_one_then_a_person_must_look(
    settings: Settings,
) -> None:
    """Both generations were lost: that is no first start, whatever the journal tells (rule 15)."""
    memory = opened(settings)
    memory.book((OperatorPaused("me", "lunch", NOON),))
    lose(settings, *SAVED)

    assert HoldKind.REBUILD.value in opened(settings).state.holds


@pytest.mark.parametrize("loss", ["beginning", "middle"])
def test_state_when_a_lone_journal_is_not_whole_then_a_person_must_look(
    settings: Settings, loss: str
) -> None:
    """What is missing may have been an order."""
    memory = paused(settings, "tea", "a call")
    path = settings.state.journal
    if loss == "beginning":
        memory.begin_journal_anew()
        memory.book((OperatorPaused("me", "dinner", NOON),))
        lose(settings, *SAVED, MARKER_NAME)
    else:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join((*lines[:2], b"garbage\n", *lines[3:])))

    assert HoldKind.REBUILD.value in opened(settings).state.holds
