"""When nothing is there: a first start, or a loss? And states of other accounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.persistence.marker import MARKER_NAME
from shared.persistence.state_store import StateOutcome
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

STATE = "trading_state.json"


def test_store_when_the_folder_is_empty_then_it_is_a_first_start(tmp_path: Path) -> None:
    """No generation, no journal, no marker: begin with nothing."""
    loaded = load_state(tmp_path)

    assert loaded.outcome is StateOutcome.FIRST_START
    assert loaded.payload is None
    assert (loaded.seq, loaded.epoch) == (0, 1)


def test_store_when_it_died_before_the_first_commit_then_it_is_still_a_first_start(
    tmp_path: Path,
) -> None:
    """A marker and a journal without any state in them are no loss."""
    open_store(tmp_path)
    open_journal(tmp_path).close()

    loaded = load_state(tmp_path)

    assert loaded.outcome is StateOutcome.FIRST_START
    assert loaded.epoch == 2


def test_store_when_all_generations_are_deleted_then_it_is_a_rebuild(tmp_path: Path) -> None:
    """The marker remembers that this account had a state."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    store.commit(state_of(2))
    (tmp_path / STATE).unlink()
    (tmp_path / f"{STATE}.bak").unlink()

    assert load_state(tmp_path).outcome is StateOutcome.REBUILD


def test_store_when_only_journal_records_stand_then_it_is_a_rebuild(tmp_path: Path) -> None:
    """An intent may have been sent: that is no first start."""
    journal = open_journal(tmp_path)
    journal.append({"intent": "x"})
    journal.close()

    assert load_state(tmp_path).outcome is StateOutcome.REBUILD


def test_store_when_the_marker_is_damaged_and_no_state_stands_then_it_is_a_rebuild(
    tmp_path: Path,
) -> None:
    """A marker that cannot be read is still a sign that something was there."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    (tmp_path / STATE).unlink()
    (tmp_path / MARKER_NAME).write_bytes(b"?")

    loaded = load_state(tmp_path)

    assert loaded.outcome is StateOutcome.REBUILD
    assert any("damaged" in note for note in loaded.notes)


def test_store_when_it_dies_before_a_rebuild_is_saved_then_it_is_still_a_rebuild(
    tmp_path: Path,
) -> None:
    """The damaged file was moved aside by then: what is left of it is proof enough."""
    (tmp_path / STATE).write_bytes(b"{ invalid json }")
    assert load_state(tmp_path).outcome is StateOutcome.REBUILD

    assert load_state(tmp_path).outcome is StateOutcome.REBUILD


def test_store_when_the_account_changes_then_states_never_mix(tmp_path: Path) -> None:
    """The other account's state is set aside and found again when it returns."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    store.commit(state_of(2))

    store, first = open_store(tmp_path)
    other = store.set_aside("paper", "B7")

    assert first.payload == state_of(2)
    assert other.outcome is StateOutcome.FIRST_START
    assert other.payload is None
    store.commit(state_of(50, "paper", "B7"))
    assert {"trading_state.sim.A1.json", "trading_state.sim.A1.json.bak"} <= names_in(tmp_path)
    store, _ = open_store(tmp_path)
    back = store.set_aside(MODE, ACCOUNT)
    assert (back.outcome, back.payload) == (StateOutcome.LOADED, state_of(2))
    assert "trading_state.paper.B7.json" in names_in(tmp_path)
    store.commit(state_of(3))
    assert load_state(tmp_path).payload == state_of(3)


def test_store_when_a_set_aside_state_is_lost_then_its_return_is_a_rebuild(tmp_path: Path) -> None:
    """Deleting the file that was set aside is a loss, not a first start."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1))
    store, _ = open_store(tmp_path)
    store.set_aside("paper", "B7")
    store.commit(state_of(50, "paper", "B7"))
    (tmp_path / "trading_state.sim.A1.json").unlink()

    assert load_state(tmp_path).outcome is StateOutcome.REBUILD


def test_store_when_the_account_has_odd_characters_then_no_path_escapes(tmp_path: Path) -> None:
    """An account id becomes part of a file name, so it cannot be trusted."""
    store, _ = open_store(tmp_path)
    store.commit(state_of(1, account_id="../../x"))
    store, _ = open_store(tmp_path)

    store.set_aside(MODE, ACCOUNT)

    assert any(name.startswith("trading_state.sim.______x-") for name in names_in(tmp_path))


def test_journal_when_the_account_changes_then_records_never_mix(tmp_path: Path) -> None:
    """Each account replays its own intents only."""
    journal = open_journal(tmp_path)
    journal.append({"of": "sim"})

    journal.open("paper", "B7")

    assert journal.replay(0) == ()
    journal.append({"of": "paper"})
    journal.open(MODE, ACCOUNT)
    assert journal.replay(0) == ({"of": "sim"},)
    assert "journal.paper.B7.jsonl" in names_in(tmp_path)
    journal.close()
