"""Take the power away after every single call: what was acknowledged is there when it returns.

Needs no root: the disk is a model that forgets (tests/support/forgetful_disk.py), and every state
that it may leave is met by the real loaders. The same cut on a mounted image is
test_persistence_power_cut.py.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.config.paths import StatePaths
from shared.persistence.atomic_file import Missing, read_document, write_document
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.persistence.journal import Journal, JournalOutcome
from shared.persistence.state_store import StateOutcome, StateStore
from tests.support.clock import ManualClock
from tests.support.forgetful_disk import FOLDER, ForgetfulDisk, Image
from tests.support.stores import ACCOUNT, MODE, open_store, state_of

pytestmark = pytest.mark.integration

STATE_DIR = Path("/nowhere/state")
PATHS = StatePaths(STATE_DIR)
OTHER = ("paper", "B7")
WHEN = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(slots=True)
class Promised:
    """What was acknowledged so far, and what was only begun."""

    saved: int = 0
    begun: int = 0
    recorded: int = 0
    sent: int = 0
    other_saved: int = 0
    other_begun: int = 0


class Writer:
    """A bot's use of store and journal, which notes what was promised to it."""

    def __init__(self, disk: ForgetfulDisk, promised: Promised) -> None:
        self._promised = promised
        self._disk = disk
        self._store, _ = open_store(STATE_DIR, disk)
        self._store.set_aside(MODE, ACCOUNT)
        self._journal = Journal(PATHS.journal, ManualClock(), disk)
        self._journal.open(MODE, ACCOUNT)
        self._saved_seq = self._journal.base_seq

    def record(self) -> None:
        """One intent."""
        self._promised.sent += 1
        self._journal.append({"n": self._promised.sent})
        self._promised.recorded = self._promised.sent

    def save(self, *, compacts: bool = False) -> None:
        """One generation; with `compacts` the journal then begins where the last one ended."""
        self._promised.begun += 1
        seq = self._journal.last_seq
        self._store.commit({**state_of(self._promised.begun), "journal_seq": seq})
        self._promised.saved = self._promised.begun
        if compacts:
            self._journal.compact(self._saved_seq)
        self._saved_seq = seq

    def visit(self) -> None:
        """The other account has its turn: both change what stands under the current names."""
        store, _ = open_store(STATE_DIR, self._disk)
        store.set_aside(*OTHER)
        for _ in range(2):
            self._promised.other_begun += 1
            store.commit(state_of(self._promised.other_begun, *OTHER))
            self._promised.other_saved = self._promised.other_begun
        self._journal.open(*OTHER)


def two_lives(disk: ForgetfulDisk, promised: Promised) -> None:
    """From the first start on: intents, saves, compactions, a restart, another account, back."""
    first = Writer(disk, promised)
    first.save()
    first.record()
    first.record()
    first.save()
    first.record()
    first.save(compacts=True)
    second = Writer(disk, promised)
    second.record()
    second.save(compacts=True)
    second.record()
    second.visit()
    third = Writer(disk, promised)
    third.save()
    third.record()


def broken_promises(image: Image, promised: Promised) -> list[str]:
    """Start anew from what the power loss left, as the bot does; return what is wrong."""
    disk, wrong = ForgetfulDisk(image), []
    store = StateStore(PATHS, ManualClock(), disk)
    store.load()
    loaded = store.set_aside(MODE, ACCOUNT)
    cycle = 0 if loaded.payload is None else int(loaded.payload["cycle"])
    if not promised.saved <= cycle <= promised.begun:
        wrong.append(f"state {cycle}, acknowledged {promised.saved}, begun {promised.begun}")
    if cycle == 0 and loaded.outcome is not StateOutcome.FIRST_START:
        wrong.append(f"nothing was saved, and it is a {loaded.outcome.value}")
    journal = Journal(PATHS.journal, ManualClock(), disk)
    opening = journal.open(MODE, ACCOUNT)
    if opening.outcome is JournalOutcome.CORRUPT:
        wrong.append(f"journal: {opening.notes}")
    after_seq = 0 if loaded.payload is None else int(loaded.payload["journal_seq"])
    if after_seq < journal.base_seq:
        wrong.append(f"the journal begins after {journal.base_seq}, the state ends at {after_seq}")
        return wrong
    found = [record["n"] for record in journal.replay(after_seq)]
    if found != list(range(after_seq + 1, after_seq + 1 + len(found))):
        wrong.append(f"records {found} after {after_seq}")
    if not promised.recorded <= after_seq + len(found) <= promised.sent:
        wrong.append(f"records up to {after_seq + len(found)}, promised {promised.recorded}")
    wrong += [f"{name} was damaged" for name in disk.files_now() if ".corrupt." in name]
    wrong += _of_the_other(image, promised)
    return wrong


def _of_the_other(image: Image, promised: Promised) -> list[str]:
    store, _ = open_store(STATE_DIR, ForgetfulDisk(image))
    loaded = store.set_aside(*OTHER)
    cycle = 0 if loaded.payload is None else int(loaded.payload["cycle"])
    if promised.other_saved <= cycle <= promised.other_begun:
        return []
    return [f"the other account's state is {cycle}, acknowledged {promised.other_saved}"]


class Enough(Exception):
    """One broken promise is proof."""


def cut_everywhere(unheard: int = 0) -> tuple[int, list[str], list[str]]:
    """Live two lives and cut the power after each call; return how many images were met, what
    each fsync was for, and what was broken. With an unheard fsync the first that breaks ends it.
    """
    promised, met, wrong = Promised(), 0, []

    def watch(disk: ForgetfulDisk) -> None:
        nonlocal met
        for image in disk.after_power_loss():
            met += 1
            wrong.extend(broken_promises(image, promised))
            if wrong and unheard:
                raise Enough

    disk = ForgetfulDisk(watch=watch, unheard=unheard)
    with suppress(Enough):
        two_lives(disk, promised)
    return met, disk.synced, wrong


def test_store_and_journal_when_the_power_goes_at_any_call_then_every_promise_is_kept() -> None:
    """First start, saves, compaction, restart, change of account: each call, each remainder."""
    met, _, wrong = cut_everywhere()

    assert wrong == []
    assert met > 1_000


@pytest.mark.parametrize(
    ("label", "nth", "words"),
    [
        (".trading_state.json.", 2, "damaged"),
        ("journal.jsonl", 1, "records up to 0, promised 1"),
        (".journal.jsonl.", 3, "journal"),
        (".trading_state.marker.", 2, "marker"),
    ],
)
def test_power_loss_when_the_fsync_of_a_file_is_left_out_then_it_is_found(
    label: str, nth: int, words: str
) -> None:
    """The proof can fail: one fsync that is not heard, and some promise breaks."""
    _, synced, _ = cut_everywhere()
    numbers = [number for number, name in enumerate(synced, 1) if name.startswith(label)]

    _, _, wrong = cut_everywhere(unheard=numbers[nth - 1])

    assert words in " ".join(wrong)


def test_power_loss_when_the_fsync_of_the_folder_is_left_out_then_it_is_found() -> None:
    """An acknowledged generation whose name was never brought to the disk is a lost one."""
    _, synced, _ = cut_everywhere()
    numbers = [n for n, name in enumerate(synced, 1) if name.startswith(".trading_state.json.")]
    assert synced[numbers[1]] == FOLDER

    _, _, wrong = cut_everywhere(unheard=numbers[1] + 1)

    assert wrong[0].startswith("state 1, acknowledged 2")


def test_document_when_the_power_goes_at_any_call_then_it_is_old_or_new() -> None:
    """The plain durable replace, with its backup."""
    path = STATE_DIR / "x.json"
    acknowledged: list[bool] = []

    def watch(disk: ForgetfulDisk) -> None:
        for image in disk.after_power_loss():
            found = read_document(path, 100, ForgetfulDisk(image))
            if isinstance(found, Missing):
                found = read_document(path.with_name("x.json.bak"), 100, ForgetfulDisk(image))
            assert found in ([b"new"] if acknowledged else [b"old", b"new"])

    disk = ForgetfulDisk({"x.json": b"old"}, watch)
    write_document(path, b"new", disk, keep_previous=True)
    acknowledged.append(True)
    watch(disk)


def test_emergency_stop_when_the_power_goes_at_any_call_then_what_it_said_holds() -> None:
    """Set is set and cleared is cleared, once it was said; in between nobody was promised."""
    said: list[bool | None] = [False]

    def watch(disk: ForgetfulDisk) -> None:
        for image in disk.after_power_loss():
            assert said[-1] is None or ("emergency_stop" in image) is said[-1]

    disk = ForgetfulDisk(watch=watch)
    stop = EmergencyStopFile(PATHS.emergency_stop, disk)
    said.append(None)
    assert stop.set("why", "me", WHEN, flatten=False)
    said.append(True)
    watch(disk)
    said.append(None)
    stop.clear()
    said.append(False)
    watch(disk)
