"""The trading state on a real disk: atomic, recovered, fenced, locked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.config.paths import StatePaths
from shared.errors import ConfigFault, SchemaFault, TransientFault
from shared.persistence.document import VERSION, Header, seal, unseal
from shared.persistence.marker import MARKER_NAME, WriterFenced
from shared.persistence.state_store import StateOutcome, StateStore
from shared.persistence.trading_lock import TradingLock
from tests.support.clock import ManualClock
from tests.support.stores import load_state, names_in, open_store, state_of

pytestmark = pytest.mark.integration

STATE = "trading_state.json"


def test_persistence_atomic(tmp_path: Path) -> None:
    """A reader that looks at any moment of 200 commits finds a whole state, never going back."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(0))
    seen: list[int] = []
    done = threading.Event()

    def read_on() -> None:
        while not done.is_set():
            try:
                raw = (tmp_path / STATE).read_bytes()
            except FileNotFoundError:
                # Between the two renames the backup stands alone.
                raw = (tmp_path / f"{STATE}.bak").read_bytes()
            seen.append(unseal(raw).payload["cycle"])

    reader = threading.Thread(target=read_on)
    reader.start()
    for cycle in range(1, 201):
        store.commit(state_of(cycle))
    done.set()
    reader.join(10)
    assert seen
    assert max(seen) <= 200
    assert load_state(tmp_path).payload == state_of(200)
    assert names_in(tmp_path) == {STATE, f"{STATE}.bak", MARKER_NAME}
    assert (tmp_path / STATE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["truncated", "bit flip", "not JSON", "wrong shape", "empty"])
def test_persistence_recovery(tmp_path: Path, damage: str) -> None:
    """A damaged state is moved aside and the backup is used; both lost means rebuild."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    store.commit(state_of(2))
    whole = (tmp_path / STATE).read_bytes()
    damaged = {
        "truncated": whole[: len(whole) // 2],
        "bit flip": whole[:-20] + bytes([whole[-20] ^ 4]) + whole[-19:],
        "not JSON": b"\0" * len(whole),
        "wrong shape": b'{"positions": {}}',
        "empty": b"",
    }[damage]
    (tmp_path / STATE).write_bytes(damaged)

    loaded = load_state(tmp_path)

    assert loaded.outcome is StateOutcome.FROM_BACKUP
    assert loaded.payload == state_of(1)
    kept = [name for name in names_in(tmp_path) if name.startswith(f"{STATE}.corrupt.")]
    assert [(tmp_path / name).read_bytes() for name in kept] == [damaged]
    (tmp_path / f"{STATE}.bak").write_bytes(damaged)
    lost = load_state(tmp_path)
    assert lost.outcome is StateOutcome.REBUILD
    assert lost.payload is None
    assert lost.known_id_epochs == ("epoch001",)
    assert len([name for name in names_in(tmp_path) if ".corrupt." in name]) == 2


def test_concurrent_access_with_file_locking(tmp_path: Path) -> None:
    """Four processes that lock, load, add one and commit lose none of their 40 additions."""
    program = (
        "import sys; from pathlib import Path\n"
        "from shared.config.paths import StatePaths\n"
        "from shared.clock import SystemClock\n"
        "from shared.persistence.state_store import StateStore\n"
        "from shared.persistence.trading_lock import TradingLock\n"
        "paths = StatePaths(Path(sys.argv[1]))\n"
        "for _ in range(10):\n"
        "    lock = TradingLock(paths.trading_lock)\n"
        "    assert lock.acquire(30)\n"
        "    store = StateStore(paths, SystemClock(), lock=lock)\n"
        "    payload = store.load().payload or {'cycle': 0}\n"
        "    store.commit({**payload, 'cycle': payload['cycle'] + 1})\n"
        "    lock.release()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    children = [subprocess.Popen(command) for _ in range(4)]

    assert [child.wait(60) for child in children] == [0] * 4
    _, loaded = open_store(tmp_path)
    assert loaded.payload is not None
    assert loaded.payload["cycle"] == 40
    assert loaded.seq == 40


def test_file_lock_acquisition(tmp_path: Path) -> None:
    """One holder at a time; release and death both free it; the holder's pid is readable."""
    path = tmp_path / "trading.lock"
    lock, other = TradingLock(path), TradingLock(path)

    assert lock.acquire(0)
    assert lock.held
    assert other.holder_pid() == os.getpid()
    assert not other.acquire(0.05)
    lock.release()
    assert not lock.held
    assert other.acquire(0)
    other.release()

    program = (
        "import os, sys; from pathlib import Path\n"
        "from shared.persistence.trading_lock import TradingLock\n"
        "lock = TradingLock(Path(sys.argv[1])); assert lock.acquire(0)\n"
        "print(os.getpid(), flush=True); sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert int(child.stdout.readline()) == child.pid == lock.holder_pid()
    assert not lock.acquire(0)
    child.kill()
    assert lock.acquire(10)
    child.wait(10)
    child.stdin.close()
    child.stdout.close()
    lock.release()


def test_file_lock_with_load_and_save(tmp_path: Path) -> None:
    """A store bound to the lock saves while it is held, and never after."""
    paths = StatePaths(tmp_path)
    lock = TradingLock(paths.trading_lock)
    assert lock.acquire(0)
    store = StateStore(paths, ManualClock(), lock=lock)
    store.load()
    store.commit(state_of(1))
    lock.release()

    with pytest.raises(WriterFenced):
        store.commit(state_of(2))

    assert load_state(tmp_path).payload == state_of(1)


def test_lock_when_its_file_is_replaced_then_it_is_not_held(tmp_path: Path) -> None:
    """A deleted lock file would let a second holder in: the first one must notice."""
    lock = TradingLock(tmp_path / "trading.lock")
    assert lock.acquire(0)
    lock.path.unlink()

    assert not lock.held
    lock.path.touch()
    assert not lock.held
    assert not lock.acquire(0)
    lock.release()


def test_lock_when_it_is_a_link_then_it_is_refused(tmp_path: Path) -> None:
    """A link in the place of the lock is a configuration fault."""
    (tmp_path / "elsewhere").touch()
    (tmp_path / "trading.lock").symlink_to("elsewhere")

    with pytest.raises(ConfigFault, match="symbolic link"):
        TradingLock(tmp_path / "trading.lock").acquire(0)


def test_store_when_two_write_without_the_lock_then_the_older_is_fenced(tmp_path: Path) -> None:
    """The epoch catches a writer that believes to hold a lock which it lost."""
    old, _ = open_store(tmp_path)
    old.commit(state_of(1))
    new, loaded = open_store(tmp_path)

    with pytest.raises(WriterFenced):
        old.commit(state_of(99))
    assert loaded.epoch == 2
    new.commit(state_of(2))
    with pytest.raises(WriterFenced):
        old.commit(state_of(99))
    assert load_state(tmp_path).payload == state_of(2)


def test_store_when_a_foreign_hand_writes_then_theirs_is_quarantined(tmp_path: Path) -> None:
    """What somebody else wrote never becomes the backup; ours goes on."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    store.commit(state_of(2))
    (tmp_path / STATE).write_bytes(b"{}")

    store.commit(state_of(3))

    assert load_state(tmp_path).payload == state_of(3)
    (tmp_path / STATE).unlink()
    assert load_state(tmp_path).payload == state_of(1)
    assert "changed by somebody else" in store.drain_notes()[0]
    assert store.drain_notes() == ()


def test_store_when_only_the_backup_stands_then_it_is_loaded(tmp_path: Path) -> None:
    """A death between the two renames leaves the backup alone."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    (tmp_path / STATE).rename(tmp_path / f"{STATE}.bak")

    loaded = load_state(tmp_path)

    assert loaded.outcome is StateOutcome.FROM_BACKUP
    assert loaded.payload == state_of(1)


def test_store_when_an_old_file_was_put_back_then_the_newer_backup_wins(tmp_path: Path) -> None:
    """A restored older state is not believed beside a newer generation."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    old = (tmp_path / STATE).read_bytes()
    store.commit(state_of(2))
    store.commit(state_of(3))
    (tmp_path / STATE).write_bytes(old)

    loaded = load_state(tmp_path)

    assert loaded.payload == state_of(2)
    assert loaded.outcome is StateOutcome.FROM_BACKUP


def test_store_when_the_file_is_of_a_newer_version_then_it_is_left_alone(tmp_path: Path) -> None:
    """A downgrade must not destroy what it cannot read: 76, and the bytes stay."""
    newer = seal({"mode": "sim"}, Header(5, 5, "boot", "now", version=VERSION + 1))
    (tmp_path / STATE).write_bytes(newer)

    with pytest.raises(SchemaFault, match=f"version {VERSION + 1}"):
        open_store(tmp_path)

    assert (tmp_path / STATE).read_bytes() == newer


def test_store_when_a_folder_stands_in_its_place_then_it_is_refused(tmp_path: Path) -> None:
    """Something that is no file is for a person to look at."""
    (tmp_path / STATE).mkdir()

    with pytest.raises(ConfigFault, match="not a regular file"):
        open_store(tmp_path)

    assert (tmp_path / STATE).is_dir()


def test_store_when_the_state_is_a_link_then_it_is_refused(tmp_path: Path) -> None:
    """Files in the state folder are never followed through a link."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    (tmp_path / STATE).rename(tmp_path / "elsewhere")
    (tmp_path / STATE).symlink_to("elsewhere")

    with pytest.raises(ConfigFault, match="symbolic link"):
        open_store(tmp_path)


def test_store_when_the_folder_is_missing_then_it_is_transient(tmp_path: Path) -> None:
    """An unmounted disk is no first start."""
    with pytest.raises(TransientFault):
        open_store(tmp_path / "absent")


def test_store_when_the_folder_itself_is_a_link_then_it_works(tmp_path: Path) -> None:
    """STATE_DIR may be a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "state").symlink_to("real")
    store, _ = open_store(tmp_path / "state")

    store.commit(state_of(1))

    assert load_state(tmp_path / "real").payload == state_of(1)
