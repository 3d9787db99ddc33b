"""Fail, or die, at every single call of a commit: what stands on the disk is old or new.

Each sweep counts the calls of an untroubled run and then repeats the run once per call: with an
error at that call, with errors from that call on, and with the process ending at it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from shared.config.paths import StatePaths
from shared.errors import TransientFault
from shared.persistence.file_port import FilePort
from shared.persistence.journal import Journal, JournalOutcome
from shared.persistence.state_store import StateOutcome
from tests.support.clock import ManualClock
from tests.support.files import FaultyFiles, dying, failing, in_child
from tests.support.stores import (
    ACCOUNT,
    MODE,
    load_state,
    names_in,
    open_journal,
    open_store,
    state_of,
)

pytestmark = pytest.mark.integration

ACKNOWLEDGED = 7
ERRORS = pytest.mark.parametrize(
    ("code", "lasting"),
    [(errno.ENOSPC, False), (errno.EIO, False), (errno.EIO, True), (errno.EROFS, True)],
)
Work = Callable[[Path, FilePort], None]


def fresh(base: Path, prepare: Callable[[Path], None]) -> Path:
    """Return a new folder, prepared."""
    folder = base / str(len(list(base.iterdir())))
    folder.mkdir()
    prepare(folder)
    return folder


def calls_of(base: Path, prepare: Callable[[Path], None], work: Work) -> int:
    """Return how many calls the work makes when nothing goes wrong."""
    files = FaultyFiles()
    work(fresh(base, prepare), files)
    assert len(files.calls) > 10
    return len(files.calls)


def died_at(folder: Path, work: Work, call: int) -> bool:
    """Run the work in a process that ends at the call; whether the work was acknowledged."""

    def run() -> None:
        work(folder, FaultyFiles(call, dying))
        os._exit(ACKNOWLEDGED)

    code = in_child(run)
    assert code in (0, ACKNOWLEDGED)
    return code == ACKNOWLEDGED


def two_commits(folder: Path) -> None:
    store, _ = open_store(folder)
    store.commit(state_of(1))
    store.commit(state_of(2))


def third_commit(folder: Path, files: FilePort) -> None:
    store, _ = open_store(folder, files)
    store.commit(state_of(3))


def nothing(folder: Path) -> None:
    """An empty folder."""


def first_commit(folder: Path, files: FilePort) -> None:
    store, _ = open_store(folder, files)
    store.set_aside(MODE, ACCOUNT)
    store.commit(state_of(1))


@ERRORS
def test_commit_when_a_call_fails_then_the_state_is_old_or_new(
    tmp_path: Path, code: int, lasting: bool
) -> None:
    """An error at each call: typed, nothing lost, nothing quarantined, no litter, and it heals."""
    for call in range(1, calls_of(tmp_path, two_commits, third_commit) + 1):
        folder = fresh(tmp_path, two_commits)
        files = FaultyFiles(call, failing(code), lasting)
        acknowledged = False
        with suppress(TransientFault):
            third_commit(folder, files)
            acknowledged = True

        store, loaded = open_store(folder)

        assert loaded.payload in ([state_of(3)] if acknowledged else [state_of(2), state_of(3)])
        assert not any(".corrupt." in name for name in names_in(folder))
        assert not any(name.endswith(".tmp") for name in names_in(folder))
        store.commit(state_of(4))
        assert load_state(folder).payload == state_of(4)


def test_commit_when_one_failed_then_the_same_store_can_commit_again(tmp_path: Path) -> None:
    """After any single error the running bot goes on with the next commit."""
    total = calls_of(tmp_path, two_commits, third_commit)
    for call in range(1, total + 1):
        folder = fresh(tmp_path, two_commits)
        files = FaultyFiles(call, failing(errno.EIO))
        try:
            store, _ = open_store(folder, files)
        except TransientFault:
            continue
        with suppress(TransientFault):
            store.commit(state_of(3))

        store.commit(state_of(4))

        assert load_state(folder).payload == state_of(4)
        assert not any(".corrupt." in name for name in names_in(folder))


def test_commit_when_it_dies_at_any_call_then_the_state_is_old_or_new(tmp_path: Path) -> None:
    """The process ends before each call in turn; an acknowledged state is never lost."""
    for call in range(1, calls_of(tmp_path, two_commits, third_commit) + 1):
        folder = fresh(tmp_path, two_commits)
        acknowledged = died_at(folder, third_commit, call)

        loaded = load_state(folder)

        assert loaded.payload in ([state_of(3)] if acknowledged else [state_of(2), state_of(3)])
        assert loaded.outcome in (StateOutcome.LOADED, StateOutcome.FROM_BACKUP)
        assert not any(name.endswith(".tmp") for name in names_in(folder))


def test_first_commit_when_it_dies_at_any_call_then_it_is_a_first_start_or_done(
    tmp_path: Path,
) -> None:
    """A death in the very first second must not demand an approver."""
    for call in range(1, calls_of(tmp_path, nothing, first_commit) + 1):
        folder = fresh(tmp_path, nothing)
        died_at(folder, first_commit, call)

        loaded = load_state(folder)

        expected = StateOutcome.FIRST_START if loaded.payload is None else StateOutcome.LOADED
        assert loaded.outcome is expected


def two_accounts(folder: Path) -> None:
    store, _ = open_store(folder)
    store.commit(state_of(49, "paper", "B7"))
    store.commit(state_of(50, "paper", "B7"))
    store, _ = open_store(folder)
    store.set_aside(MODE, ACCOUNT)
    store.commit(state_of(1))
    store.commit(state_of(2))


def switch(folder: Path, files: FilePort) -> None:
    store, _ = open_store(folder, files)
    store.set_aside("paper", "B7")


def test_switch_when_it_dies_at_any_call_then_both_states_are_found(tmp_path: Path) -> None:
    """A death in the middle of a change of modes loses neither state and mixes nothing."""
    for call in range(1, calls_of(tmp_path, two_accounts, switch) + 1):
        folder = fresh(tmp_path, two_accounts)
        died_at(folder, switch, call)

        store, _ = open_store(folder)
        assert store.set_aside("paper", "B7").payload == state_of(50, "paper", "B7")
        store, _ = open_store(folder)
        assert store.set_aside(MODE, ACCOUNT).payload == state_of(2)


def two_records(folder: Path) -> None:
    journal = open_journal(folder)
    journal.append({"n": 1})
    journal.append({"n": 2})
    journal.close()


def third_record(folder: Path, files: FilePort) -> None:
    journal = open_journal(folder, files)
    journal.append({"n": 3})
    journal.compact(1)


def found_records(folder: Path) -> list[int]:
    """Return what a fresh start replays, after checking that it found nothing damaged."""
    journal = Journal(StatePaths(folder).journal, ManualClock())
    opening = journal.open(MODE, ACCOUNT)
    assert opening.outcome in (JournalOutcome.INTACT, JournalOutcome.TORN_TAIL_CUT)
    records = [record["n"] for record in journal.replay(journal.base_seq)]
    assert [1, 2, 3, 4][journal.base_seq :][: len(records)] == records
    journal.close()
    return list(range(1, journal.base_seq + 1)) + records


def test_journal_when_it_dies_at_any_call_then_records_are_old_or_new(tmp_path: Path) -> None:
    """Opening, appending and compacting, ended at each call: no record is lost or damaged."""
    for call in range(1, calls_of(tmp_path, two_records, third_record) + 1):
        folder = fresh(tmp_path, two_records)
        acknowledged = died_at(folder, third_record, call)

        assert found_records(folder) in ([[1, 2, 3]] if acknowledged else [[1, 2], [1, 2, 3]])


@ERRORS
def test_journal_when_a_call_fails_then_the_next_append_heals_it(
    tmp_path: Path, code: int, lasting: bool
) -> None:
    """An error at each call: no acknowledged record is lost, and appending goes on after it."""
    total = calls_of(tmp_path, two_records, third_record)
    for call in range(1, total + 1):
        folder = fresh(tmp_path, two_records)
        opened = acknowledged = False
        files = FaultyFiles(call, failing(code), lasting)
        journal = Journal(StatePaths(folder).journal, ManualClock(), files)
        with suppress(TransientFault):
            journal.open(MODE, ACCOUNT)
            opened = True
            journal.append({"n": 3})
            acknowledged = True
            journal.compact(1)

        if opened and not lasting:
            wanted = 4 if acknowledged else 3
            assert journal.append({"n": wanted}) == wanted
        journal.close()

        if opened and not lasting:
            assert found_records(folder) == list(range(1, wanted + 1))
        else:
            assert found_records(folder)[:2] == [1, 2]
