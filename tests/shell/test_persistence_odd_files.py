"""Odd things where files of ours belong: refused by name, moved aside, and never read whole."""

from __future__ import annotations

import os
import resource
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.config.paths import StatePaths
from shared.errors import ConfigFault, SchemaFault, TransientFault
from shared.persistence.atomic_file import TooLarge, UnsafeFile, read_document
from shared.persistence.document import DOCUMENT_BYTES_MAX
from shared.persistence.journal import JOURNAL_BYTES_MAX, Journal, JournalOutcome
from shared.persistence.ledger import LedgerReader, LedgerWriter
from shared.persistence.market_schema import SCHEMA_VERSION
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from shared.persistence.state_store import StateOutcome
from shared.persistence.trading_lock import TradingLock
from tests.support.clock import ManualClock
from tests.support.files import FaultyFiles
from tests.support.stores import ACCOUNT, MODE, load_state, names_in, open_store

pytestmark = pytest.mark.integration

STATE = "trading_state.json"
GIGABYTE = 1 << 30


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Be in a folder for a moment: a socket's address must be short."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def a_socket(path: Path) -> None:
    with working_in(path.parent), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


def a_link(path: Path) -> None:
    target = path.with_name("elsewhere")
    target.write_bytes(b"")
    path.symlink_to(target)


def a_sparse_gigabyte(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(GIGABYTE)


ODD: dict[str, Callable[[Path], None]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": a_socket,
    "link": a_link,
}
ODD_KINDS = pytest.mark.parametrize("make", ODD.values(), ids=ODD)


@ODD_KINDS
def test_document_when_something_odd_stands_there_then_it_is_unsafe(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Not missing, not unreadable, not corrupt: for a person to remove, and nobody waits."""
    make(tmp_path / "x.json")

    with pytest.raises(UnsafeFile, match=r"x\.json"):
        read_document(tmp_path / "x.json", 1_000)


@ODD_KINDS
def test_store_when_something_odd_stands_in_its_place_then_it_is_refused(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """78, and it stays as it is: waiting would not mend it."""
    make(tmp_path / STATE)

    with pytest.raises(ConfigFault, match=STATE):
        open_store(tmp_path)

    assert names_in(tmp_path) >= {STATE}


@ODD_KINDS
def test_lock_when_something_odd_stands_in_its_place_then_it_is_refused(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """A lock that can never be had is a fault to be told, not to be waited for."""
    make(tmp_path / "trading.lock")

    with pytest.raises(ConfigFault, match=r"trading\.lock"):
        TradingLock(tmp_path / "trading.lock").acquire(0)


def test_document_when_it_is_too_large_then_not_a_byte_is_read(tmp_path: Path) -> None:
    """The size is known before: a gigabyte costs neither time nor memory."""
    a_sparse_gigabyte(tmp_path / "x.json")
    files = FaultyFiles()

    with pytest.raises(TooLarge, match=r"x\.json"):
        read_document(tmp_path / "x.json", DOCUMENT_BYTES_MAX, files)

    assert "read" not in files.calls


def test_document_when_it_grows_while_it_is_read_then_the_limit_holds(tmp_path: Path) -> None:
    """The size that was seen first is no promise."""
    path = tmp_path / "x.json"
    path.write_bytes(b"1234")

    class Growing(FaultyFiles):
        def read(self, descriptor: int, size: int) -> bytes:
            with path.open("ab") as file:
                file.write(b"more")
            return super().read(descriptor, size)

    with pytest.raises(TooLarge):
        read_document(path, 10, Growing())


def test_state_and_journal_when_a_gigabyte_stands_there_then_aside_and_rebuilt(
    tmp_path: Path,
) -> None:
    """Both are damage: kept under another name, and memory stays small."""
    a_sparse_gigabyte(tmp_path / STATE)
    a_sparse_gigabyte(StatePaths(tmp_path).journal)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    loaded = load_state(tmp_path)
    journal = Journal(StatePaths(tmp_path).journal, ManualClock())
    opening = journal.open(MODE, ACCOUNT)

    assert loaded.outcome is StateOutcome.REBUILD
    assert opening.outcome is JournalOutcome.CORRUPT
    assert any(str(JOURNAL_BYTES_MAX) in note for note in opening.notes)
    assert journal.append({"n": 1}) == 1
    journal.close()
    kept = [name for name in names_in(tmp_path) if ".corrupt." in name]
    assert {name.split(".corrupt.")[0] for name in kept} == {STATE, "journal.jsonl"}
    assert all((tmp_path / name).stat().st_size == GIGABYTE for name in kept)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100_000


@ODD_KINDS
def test_databases_when_something_odd_stands_there_then_refused_and_untouched(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Never followed through a link; whoever can go on without waits until it is gone."""
    for name in ("market.db", "ledger.db"):
        make(tmp_path / name)
    with pytest.raises(TransientFault, match=r"market\.db is"):
        MarketStoreWriter(tmp_path / "market.db", ManualClock())
    with pytest.raises(TransientFault, match=r"market\.db is"):
        MarketStoreReader(tmp_path / "market.db").quotes()
    with pytest.raises(ConfigFault, match=r"ledger\.db"):
        LedgerWriter(tmp_path / "ledger.db", ManualClock()).open()
    with pytest.raises(TransientFault, match=r"ledger\.db is"):
        LedgerReader(tmp_path / "ledger.db").trades(1)
    assert not [name for name in names_in(tmp_path) if ".corrupt." in name or "-wal" in name]
    assert (tmp_path / "elsewhere").exists() is (make is a_link)


def test_market_store_when_it_is_of_a_newer_version_then_it_is_left_alone(tmp_path: Path) -> None:
    """76, and the bytes stay, though all of it could be fetched again."""
    path = tmp_path / "market.db"
    MarketStoreWriter(path, ManualClock()).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    before = path.read_bytes()

    with pytest.raises(SchemaFault, match="newer"):
        MarketStoreWriter(path, ManualClock())

    assert path.read_bytes() == before
    assert not [name for name in names_in(tmp_path) if ".corrupt." in name]
