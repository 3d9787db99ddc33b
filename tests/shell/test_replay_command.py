"""`replay FILE`: the day's record comes to the very state that was saved, or says what differs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from services.supervisor.cli import main
from services.trading_bot.listeners import DAY_LOG, STATE_LOG, add_listeners
from services.trading_bot.memory import Memory
from shared.config.settings import Settings
from shared.events.types import (
    DayOpened,
    EquitySeen,
    Event,
    IntentRecorded,
    OperatorPaused,
    OrderSeen,
)
from shared.models.orders import OrderStatus
from shared.models.trading_state import BotState
from shared.persistence.journal import Journal
from shared.persistence.journal_lines import RECORD, make_line
from shared.persistence.state_store import StateStore
from tests.support.builders import an_entry, at, filled, seen_of
from tests.support.clock import ManualClock
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

FRESH = BotState("sim", "PA0000000001", "abcd1234")
ENTRY = an_entry()
DAY = date(2026, 1, 5)
OPENED = DayOpened(DAY, Decimal(100_000), at(0))
EVENTS: tuple[Event, ...] = (
    OPENED,
    IntentRecorded((ENTRY,), at(1)),
    OrderSeen(filled(seen_of(ENTRY, "B1", OrderStatus.FILLED), 10, "100.00", at(2)), at(2)),
    EquitySeen(Decimal("100012.34"), at(3)),
)


def a_bot(folder: Path, state: BotState = FRESH) -> tuple[Memory, Settings]:
    """A memory with its listeners, in that folder."""
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    settings, clock = make_settings(folder), ManualClock()
    store = StateStore(settings.state, clock)
    store.load()
    journal = Journal(settings.state.journal, clock)
    journal.open(state.mode, state.account_id)
    memory = Memory(state, journal, store, clock)
    add_listeners(memory, settings.logs.events)
    return memory, settings


def replayed(settings: Settings, file: Path) -> int:
    """Run the command."""
    return main(["replay", str(file), "--state-dir", str(settings.state.root)])


def a_day(folder: Path) -> tuple[Settings, Path]:
    """A day that was recorded and saved."""
    memory, settings = a_bot(folder)
    memory.book(EVENTS)
    memory.commit(now=True)
    (file,) = settings.logs.events.iterdir()
    return settings, file


def test_replay_when_the_day_is_whole_then_it_equals_the_saved_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every event, readings too, comes to the state on the disk: exit 0, and it says so."""
    settings, file = a_day(tmp_path)

    assert file.name == f"{DAY}.sim.PA0000000001.jsonl"
    assert replayed(settings, file) == os.EX_OK
    out = capsys.readouterr().out
    assert f"{len(EVENTS)} events from 1 snapshot(s)" in out
    assert "positions 10 AAPL" in out
    assert "equity 100012.34" in out
    assert "equal to trading_state.json" in out


def test_replay_when_the_saved_state_is_another_then_the_members_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state that knows more than the record is no equal: exit 1."""
    settings, file = a_day(tmp_path)
    record = file.read_bytes()
    store = StateStore(settings.state, ManualClock())
    loaded = store.load().payload
    assert loaded is not None
    store.commit({**loaded, "operator": {**loaded["operator"], "paused": True}})

    assert replayed(settings, file) == 1
    assert "not equal to trading_state.json: operator differ" in capsys.readouterr().out
    assert file.read_bytes() == record


def test_replay_when_a_line_is_damaged_then_it_is_named_and_the_rest_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flipped byte in the middle breaks that line alone: exit 76 names it."""
    settings, file = a_day(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"IntentRecorded", b"IntentRecordee")
    file.write_bytes(b"".join(lines))

    assert replayed(settings, file) == os.EX_PROTOCOL
    said = capsys.readouterr()
    assert "broken: the line after record 2 is lost: its checksum does not fit" in said.err
    assert "not equal" in said.out


@pytest.mark.parametrize("content", [b"", b"\xff\x00 no record\n", b'{"seq": 1}\n'])
def test_replay_when_the_file_is_no_record_then_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """Without a snapshot nothing can be replayed: exit 76."""
    settings, _ = a_day(tmp_path)
    file = tmp_path / "odd.jsonl"
    file.write_bytes(content)

    assert replayed(settings, file) == os.EX_PROTOCOL
    assert "no whole snapshot" in capsys.readouterr().err


def test_replay_when_the_file_is_missing_then_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that leads nowhere is the caller's to mend."""
    settings, _ = a_day(tmp_path)

    assert replayed(settings, tmp_path / "nothing.jsonl") == os.EX_CONFIG
    assert "there is no such file" in capsys.readouterr().err


def test_replay_when_the_bot_was_restarted_then_the_file_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each start adds a snapshot; what the restart lost is named by member."""
    settings, file = a_day(tmp_path)
    first, _ = a_bot(tmp_path, FRESH)
    first.book(EVENTS)
    forgot = replace(first.state, pnl=replace(first.state.pnl, equity=None))
    again, _ = a_bot(tmp_path, forgot)
    again.book((OperatorPaused("me", "lunch", at(9)),))
    again.commit(now=True)

    assert replayed(settings, file) == os.EX_OK
    out = capsys.readouterr().out
    assert "the bot began anew with pnl" in out
    assert "paused" in out


def test_replay_when_a_snapshot_is_cut_then_the_state_before_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A snapshot without all of its parts would be a state without orders: it is broken, and what
    was replayed until then stays.
    """
    settings, file = a_day(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    payload = json.loads(lines[1])["record"]["snapshot"]
    cut = make_line(len(lines), RECORD, {"snapshot": payload, "parts": 1})
    file.write_bytes(b"".join((*lines, cut)))

    assert replayed(settings, file) == os.EX_PROTOCOL
    said = capsys.readouterr()
    assert "broken: record 6: 1 parts of its snapshot are missing" in said.err
    assert "positions 10 AAPL" in said.out
    assert f"{len(EVENTS)} events from 1 snapshot(s)" in said.out


def test_replay_when_another_day_follows_then_its_beginning_is_the_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An old day is held against the next day's first snapshot, not today's state."""
    memory, settings = a_bot(tmp_path)
    memory.book((*EVENTS, DayOpened(date(2026, 1, 6), Decimal(100_012), at(90_000))))
    memory.book((OperatorPaused("me", "lunch", at(90_001)),))
    memory.commit(now=True)
    old, new = sorted(settings.logs.events.iterdir())

    assert replayed(settings, old) == os.EX_OK
    assert f"equal to the beginning of {new.name}" in capsys.readouterr().out
    assert replayed(settings, new) == os.EX_OK


def test_day_record_when_its_folder_cannot_be_made_then_the_bot_goes_on(tmp_path: Path) -> None:
    """A disk that refuses the record costs the record, not the event; the log listens on."""
    memory, _ = a_bot(tmp_path)
    (tmp_path / "logs" / "events").write_text("in the way", encoding="utf-8")

    for second in range(8):
        reason = "lunch" if second % 2 else "tea"
        memory.book((replace(OPENED, day=date(2026, 1, 5 + second)),))
        memory.book((OperatorPaused("me", reason, at(second)),))

    assert memory.state.operator.paused
    assert memory.is_writable
    assert memory.handlers.names[1:] in {(STATE_LOG,), (STATE_LOG, DAY_LOG)}


@pytest.mark.parametrize("is_replaced", [False, True])
def test_day_record_when_its_file_was_moved_away_then_the_next_line_begins_it_anew(
    tmp_path: Path, is_replaced: bool
) -> None:
    """Whoever archives the day's file gets all lines so far, and none that come later."""
    memory, settings = a_bot(tmp_path)
    memory.book(EVENTS)
    (file,) = settings.logs.events.iterdir()
    archived = file.rename(tmp_path / "archived.jsonl")
    if is_replaced:
        file.touch()
    before = archived.read_bytes()

    memory.book((OperatorPaused("me", "lunch", at(9)),))

    assert archived.read_bytes() == before
    (line,) = file.read_text(encoding="utf-8").splitlines()
    assert '"reason":"lunch"' in line


def test_day_record_when_days_go_by_then_only_the_newest_file_stays_open(tmp_path: Path) -> None:
    """A replay of years opens one file after the other, not all of them."""
    memory, settings = a_bot(tmp_path)
    for day in range(5, 10):
        memory.book((replace(OPENED, day=date(2026, 1, day)),))

    open_files = {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()}
    newest = max(settings.logs.events.iterdir())
    assert {one for one in open_files if one.startswith(str(settings.logs.events))} == {str(newest)}
