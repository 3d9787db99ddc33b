"""Accounts that share a state folder, and a damaged journal: nothing mixed, nothing said twice."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.account_state import open_memory
from services.trading_bot.memory import Memory
from shared.config.settings import Settings
from shared.events.types import HoldCleared, OperatorPaused
from shared.models.orders import Side
from shared.models.pnl import Trade
from shared.models.trading_state import HoldKind
from shared.persistence.ledger import LedgerReader, LedgerWriter
from shared.persistence.state_store import StateStore
from tests.support.bot_bench import NOON
from tests.support.clock import ManualClock
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

ONE, TWO = "PA0000000001", "PA0000000002"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty state folder."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "logs").mkdir()
    return make_settings(tmp_path)


def opened(settings: Settings, account_id: str) -> Memory:
    """The memory of a process that starts with this account."""
    clock = ManualClock()
    store = StateStore(settings.state, clock)
    return open_memory(settings, clock, store, store.load(), (account_id, None))


def a_trade(key: str, at: datetime = NOON) -> Trade:
    """A round trip of one dollar."""
    one, two = Decimal(1), Decimal(2)
    return Trade(key, "AAPL", Side.BUY, one, one, two, at, at, one, "momentum", "target")


def book_trade(settings: Settings, key: str) -> None:
    """Let the ledger that is current now hold a trade."""
    ledger = LedgerWriter(settings.state.ledger, ManualClock())
    ledger.add_trade(a_trade(key))
    ledger.commit()
    ledger.close()


def traded(settings: Settings) -> list[str]:
    """The trades of the ledger that is current now."""
    return [row["trade_key"] for row in LedgerReader(settings.state.ledger).trades(9)]


class Killed(BaseException):
    """The process dies here."""


class DyingStore(StateStore):
    """A store that dies before, or after, it has changed the account."""

    dies_after = False

    def set_aside(self, mode: str, account_id: str) -> object:  # type: ignore[override] # never
        if self.dies_after:
            super().set_aside(mode, account_id)
        raise Killed


def die_while_opening(settings: Settings, account_id: str, *, after: bool) -> None:
    """Start with this account and die around the change of the state."""
    clock = ManualClock()
    store = DyingStore(settings.state, clock)
    store.dies_after = after
    with pytest.raises(Killed):
        open_memory(settings, clock, store, store.load(), (account_id, None))


def test_ledger_when_accounts_alternate_then_each_finds_its_own(settings: Settings) -> None:
    """Set aside with the state, and found again with it."""
    opened(settings, ONE)
    book_trade(settings, "one")
    opened(settings, TWO)
    assert traded(settings) == []
    book_trade(settings, "two")

    opened(settings, ONE)
    assert traded(settings) == ["one"]
    opened(settings, TWO)
    assert traded(settings) == ["two"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("returns_to", [ONE, TWO])
def test_ledger_when_the_bot_dies_in_a_change_of_accounts_then_none_is_lost_or_mixed(
    settings: Settings, returns_to: str, *, after: bool
) -> None:
    """However often it dies on either side of the state's own change."""
    opened(settings, TWO)
    book_trade(settings, "two")
    opened(settings, ONE)
    book_trade(settings, "one")
    for _ in range(2):
        die_while_opening(settings, TWO, after=after)

    other = ONE if returns_to == TWO else TWO
    names = {ONE: "one", TWO: "two"}
    opened(settings, returns_to)
    assert traded(settings) == [names[returns_to]]
    opened(settings, other)
    assert traded(settings) == [names[other]]


def test_ledger_when_a_new_account_dies_in_its_first_start_then_the_old_one_is_kept(
    settings: Settings,
) -> None:
    """The new account has no ledger yet; the old one's is not taken for it."""
    opened(settings, ONE)
    book_trade(settings, "one")

    die_while_opening(settings, TWO, after=True)

    opened(settings, TWO)
    assert traded(settings) == []
    opened(settings, ONE)
    assert traded(settings) == ["one"]


def test_journal_when_damaged_in_the_middle_then_it_is_said_once_and_stays_cleared(
    settings: Settings,
) -> None:
    """A hold that an approver has cleared does not come back with the next start."""
    memory = opened(settings, ONE)
    for number in range(4):
        memory.book((OperatorPaused("me", f"reason {number}", NOON),))
    lines = settings.state.journal.read_bytes().splitlines(keepends=True)
    settings.state.journal.write_bytes(b"".join((*lines[:2], b"garbage\n", *lines[3:])))

    memory = opened(settings, ONE)
    assert HoldKind.REBUILD.value in memory.state.holds
    memory.book((HoldCleared(HoldKind.REBUILD, "me", NOON),))

    assert opened(settings, ONE).state.holds == {}
    settings.state.trading_state.write_bytes(b"{ invalid json }")
    healed = opened(settings, ONE).state
    assert healed.holds == {}
    assert healed.operator.paused
    assert len(list(settings.state.root.glob("journal.jsonl.corrupt.*"))) == 1


def test_state_when_another_account_of_the_same_mode_comes_then_set_aside_and_found_again(
    settings: Settings,
) -> None:
    """Two accounts in one mode share nothing: neither a pause, nor an id, nor an order of theirs;
    each state lies under its own account's name and is whole when its owner returns.
    """
    first = opened(settings, ONE)
    first.book((OperatorPaused("me", "lunch", NOON),))
    first.commit(now=True)

    second = opened(settings, TWO)
    aside = settings.state.root / f"trading_state.sim.{ONE}.json"

    assert aside.exists()
    assert (second.state.account_id, second.state.operator.paused) == (TWO, False)
    assert second.state.id_epoch != first.state.id_epoch
    back = opened(settings, ONE)
    assert (back.state.account_id, back.state.operator.paused) == (ONE, True)
    assert back.state.id_epoch == first.state.id_epoch
    assert not aside.exists()
    assert (settings.state.root / f"trading_state.sim.{TWO}.json").exists()
