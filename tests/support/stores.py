"""State stores and journals in a folder, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.config.paths import StatePaths
from shared.persistence.file_port import REAL, FilePort
from shared.persistence.journal import Journal
from shared.persistence.state_store import LoadedState, StateStore
from tests.support.clock import ManualClock

MODE, ACCOUNT = "sim", "A1"


def state_of(cycle: int, mode: str = MODE, account_id: str = ACCOUNT) -> dict[str, Any]:
    """Return a small state that tells which cycle it is."""
    return {
        "mode": mode,
        "account_id": account_id,
        "id_epoch": "epoch001",
        "positions": {"AAPL": {"qty": "10", "entry_price": "190.25"}},
        "pnl": {"realized": f"{cycle}.50"},
        "cycle": cycle,
    }


def open_store(folder: Path, files: FilePort = REAL) -> tuple[StateStore, LoadedState]:
    """Return a store of the folder and what it loaded."""
    store = StateStore(StatePaths(folder), ManualClock(), files)
    return store, store.load()


def load_state(folder: Path) -> LoadedState:
    """Return what a fresh start finds for the usual account."""
    store, _ = open_store(folder)
    return store.set_aside(MODE, ACCOUNT)


def open_journal(folder: Path, files: FilePort = REAL) -> Journal:
    """Return the opened journal of the usual account."""
    journal = Journal(StatePaths(folder).journal, ManualClock(), files)
    journal.open(MODE, ACCOUNT)
    return journal


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder."""
    return {path.name for path in folder.iterdir()}
