"""What older programs wrote is read as what it meant; what this one writes tells its version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from services.trading_bot.account_state import judge_payload
from shared.config.paths import StatePaths
from shared.events.replay import replay
from shared.models.plans import PlanKind
from shared.models.state_codec import state_from_payload
from shared.models.trading_state import BotState
from shared.persistence.document import VERSION, unseal
from shared.persistence.journal import Journal, JournalOutcome
from shared.persistence.migrations import JOURNAL_STEPS, STATE_STEPS, migrated
from shared.persistence.state_store import StateOutcome, StateStore
from tests.support.builders import D
from tests.support.clock import ManualClock
from tests.support.saved_shape import saved_shape

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parent.parent / "golden"
VERSIONS = range(1, VERSION + 1)


def found_in(folder: Path) -> tuple[StateStore, BotState, Journal]:
    """Open what lies in a folder as a starting bot does."""
    paths, clock = StatePaths(folder), ManualClock()
    store = StateStore(paths, clock, judge=judge_payload)
    assert store.load().outcome is StateOutcome.LOADED
    loaded = store.set_aside("sim", "account-1")
    assert loaded.outcome is StateOutcome.LOADED
    assert loaded.payload is not None
    journal = Journal(paths.journal, clock)
    assert journal.open("sim", "account-1").outcome is JournalOutcome.INTACT
    after = int(loaded.payload["journal_seq"])
    return store, replay(state_from_payload(loaded.payload), journal.replay(after)), journal


@pytest.mark.parametrize("version", VERSIONS)
def test_files_when_written_by_each_version_then_they_are_read_whole(
    tmp_path: Path, version: int
) -> None:
    """State, marker and journal of a real program of that version: nothing is lost, nothing is
    quarantined, and the journal's last record is replayed.
    """
    folder = shutil.copytree(GOLDEN / f"v{version}", tmp_path / "state")
    (folder / "trading_state.json").chmod(0o600)

    _, state, journal = found_in(folder)

    assert state.positions["AAPL"].qty == D(14)
    assert state.orders.by_broker_id("b-1") is not None
    assert {"drawdown", "rebuild"} <= set(state.holds)
    assert state.holds["rebuild"].is_rebuilt is (version >= 2)
    assert state.operator.paused is False
    assert PlanKind.CLOSE in {plan.kind for plan in state.plans}
    assert not list(folder.glob("*.corrupt.*"))
    journal.close()


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_files_when_an_older_version_was_read_then_what_is_written_is_of_this_one(
    tmp_path: Path, version: int
) -> None:
    """The next older program leaves them alone then; nothing of the meaning changes on the way."""
    folder = shutil.copytree(GOLDEN / f"v{version}", tmp_path / "state")
    store, state, journal = found_in(folder)
    journal.close()
    older = unseal((folder / "trading_state.json").read_bytes()).payload
    store.commit(migrated(older, version, STATE_STEPS))

    for name in ("trading_state.json", "trading_state.marker"):
        assert unseal((folder / name).read_bytes()).header.version == VERSION
    base = json.loads((folder / "journal.jsonl").read_bytes().splitlines()[0])
    assert base["base"]["version"] == VERSION
    assert found_in(folder)[1] == state


def test_steps_when_listed_then_each_older_version_has_one() -> None:
    """No version is skipped, none is beyond this one."""
    assert set(STATE_STEPS) == set(JOURNAL_STEPS) == set(VERSIONS[:-1])


@pytest.mark.parametrize("holds", [None, [], 7, {"rebuild": "text"}, {}])
def test_state_step_when_the_payload_is_no_state_then_the_judge_has_the_word(holds: Any) -> None:
    """A step is pure and refuses nothing: what does not fit is found where all else is."""
    payload = {"mode": "sim", "holds": holds}

    assert migrated(payload, 1, STATE_STEPS, 2) == payload


def test_state_step_when_a_hold_is_told_already_then_it_stays() -> None:
    """Files that were written between two versions hold the newer member already."""
    payload = {"holds": {"rebuild": {"is_rebuilt": True}}}

    assert migrated(payload, 1, STATE_STEPS, 2) == payload


def test_saved_shape_when_it_changes_then_the_version_must_rise() -> None:
    """An older program would take a new member, kind or event for damage. Raise VERSION, write the
    step to it, and lay down the new version's golden files with `shape.txt`.
    """
    assert saved_shape() == (GOLDEN / f"v{VERSION}" / "shape.txt").read_text(encoding="utf-8")


def test_state_step_when_a_hold_is_of_version_one_then_nothing_was_taken_back_for_it() -> None:
    """Said outright: what a default would fill in today may be another one tomorrow."""
    payload = {"holds": {"rebuild": {"kind": "rebuild"}}}

    assert migrated(payload, 1, STATE_STEPS, 2)["holds"] == {
        "rebuild": {"kind": "rebuild", "is_rebuilt": False}
    }
