"""The journal on a real disk: numbered, fsynced, cut when torn, loud when rotten, fenced."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shared.config.paths import StatePaths
from shared.errors import ConfigFault, SchemaFault
from shared.persistence.document import VERSION
from shared.persistence.journal import Journal, JournalGap, JournalOutcome
from shared.persistence.journal_lines import BASE, make_line
from shared.persistence.marker import WriterFenced
from tests.support.clock import ManualClock
from tests.support.files import FaultyFiles
from tests.support.stores import ACCOUNT, MODE, names_in, open_journal

pytestmark = pytest.mark.integration


def written(folder: Path, count: int) -> Path:
    """Write a journal with so many records and return its path."""
    journal = open_journal(folder)
    for number in range(1, count + 1):
        assert journal.append({"n": number}) == number
    journal.close()
    return journal.path


def test_journal_when_opened_again_then_every_record_is_replayed(tmp_path: Path) -> None:
    """Sequence numbers and content survive; replay begins after what the state holds."""
    path = written(tmp_path, 3)
    journal = Journal(path, ManualClock())

    opening = journal.open(MODE, ACCOUNT)

    assert opening.outcome is JournalOutcome.INTACT
    assert (opening.base_seq, opening.last_seq, opening.is_writable) == (0, 3, True)
    assert journal.replay(1) == ({"n": 2}, {"n": 3})
    assert journal.replay(3) == ()
    assert journal.append({"n": 4}) == 4
    journal.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_journal_when_appending_then_each_record_costs_one_fsync(tmp_path: Path) -> None:
    """The price of an intent: one look, the bytes, one fsync."""
    files = FaultyFiles()
    journal = open_journal(tmp_path, files)
    files.calls.clear()

    journal.append({"n": 1})

    assert files.calls.count("fsync") == 1
    assert set(files.calls) == {"status", "write", "fsync"}
    journal.close()


def test_journal_when_the_tail_is_torn_then_it_is_cut(tmp_path: Path) -> None:
    """A half written record was never acknowledged; its number is used again."""
    path = written(tmp_path, 2)
    with path.open("ab") as file:
        file.write(b'{"seq": 3, "crc": "00')
    journal = Journal(path, ManualClock())

    opening = journal.open(MODE, ACCOUNT)

    assert opening.outcome is JournalOutcome.TORN_TAIL_CUT
    assert journal.append({"n": 3}) == 3
    journal.close()
    assert open_journal(tmp_path).replay(0) == ({"n": 1}, {"n": 2}, {"n": 3})


def test_journal_when_the_middle_is_rotten_then_it_says_so_and_keeps_the_rest(
    tmp_path: Path,
) -> None:
    """Corruption is a typed outcome; the damaged file is kept, the good records too."""
    path = written(tmp_path, 4)
    rotten = path.read_bytes().replace(b'{"n":2}', b'{"n":7}')
    path.write_bytes(rotten)
    journal = Journal(path, ManualClock())

    opening = journal.open(MODE, ACCOUNT)

    assert opening.outcome is JournalOutcome.CORRUPT
    assert journal.replay(0) == ({"n": 1}, {"n": 3}, {"n": 4})
    assert journal.append({"n": 5}) == 5
    journal.close()
    (kept,) = [name for name in names_in(tmp_path) if ".corrupt." in name]
    assert (tmp_path / kept).read_bytes() == rotten


def test_journal_when_corrupt_and_reopened_then_the_hole_stays_known(tmp_path: Path) -> None:
    """A second start must not take the salvaged records for the whole truth."""
    path = written(tmp_path, 4)
    path.write_bytes(path.read_bytes().replace(b'{"n":2}', b'{"n":7}'))
    open_journal(tmp_path).close()

    assert Journal(path, ManualClock()).open(MODE, ACCOUNT).outcome is JournalOutcome.CORRUPT


def test_journal_when_compacted_then_older_states_are_refused(tmp_path: Path) -> None:
    """Numbers go on; a state older than the journal's beginning is a gap."""
    path = written(tmp_path, 5)
    journal = open_journal(tmp_path)
    journal.compact(3)
    journal.close()
    journal = Journal(path, ManualClock())

    opening = journal.open(MODE, ACCOUNT)

    assert (opening.base_seq, opening.last_seq) == (3, 5)
    assert journal.replay(3) == ({"n": 4}, {"n": 5})
    with pytest.raises(JournalGap):
        journal.replay(2)
    journal.compact(5)
    assert journal.append({"n": 6}) == 6
    assert journal.replay(5) == ({"n": 6},)
    journal.close()


def test_journal_when_a_second_writer_opens_it_then_the_first_is_fenced(tmp_path: Path) -> None:
    """A fresh file shuts the older writer out at once."""
    old = open_journal(tmp_path)
    old.append({"n": 1})
    new = open_journal(tmp_path)

    with pytest.raises(WriterFenced):
        old.append({"n": 99})

    new.append({"n": 2})
    assert open_journal(tmp_path).replay(0) == ({"n": 1}, {"n": 2})


def test_journal_when_a_foreign_hand_appends_then_the_writer_stops(tmp_path: Path) -> None:
    """A length that is not ours means that somebody else writes."""
    journal = open_journal(tmp_path)
    with journal.path.open("ab") as file:
        file.write(b"x")

    with pytest.raises(WriterFenced):
        journal.append({"n": 1})


def test_journal_when_it_is_millions_of_bad_lines_then_time_and_notes_have_an_end(
    tmp_path: Path,
) -> None:
    """What verifies before the damage is kept, no lost number is used again, and it ends soon."""
    path = written(tmp_path, 3)
    lines = 20_000_000
    path.write_bytes(path.read_bytes() + b"\n" * lines)
    journal = Journal(path, ManualClock())
    began_s = time.monotonic()

    opening = journal.open(MODE, ACCOUNT)

    assert time.monotonic() - began_s < 5
    assert opening.outcome is JournalOutcome.CORRUPT
    assert len(opening.notes) < 30
    assert journal.replay(0) == ({"n": 1}, {"n": 2}, {"n": 3})
    assert journal.append({"n": 4}) == 3 + lines + 1
    journal.close()


def test_journal_when_it_is_of_a_newer_version_then_it_is_left_alone(tmp_path: Path) -> None:
    """76, and the bytes stay."""
    line = make_line(0, BASE, {"version": VERSION + 1, "mode": MODE, "account_id": ACCOUNT})
    path = StatePaths(tmp_path).journal
    path.write_bytes(line)

    with pytest.raises(SchemaFault, match=f"version {VERSION + 1}"):
        Journal(path, ManualClock()).open(MODE, ACCOUNT)

    assert path.read_bytes() == line


def test_journal_when_it_is_a_link_then_it_is_refused(tmp_path: Path) -> None:
    """Never followed."""
    (tmp_path / "elsewhere").touch()
    (tmp_path / "journal.jsonl").symlink_to("elsewhere")

    with pytest.raises(ConfigFault, match="symbolic link"):
        open_journal(tmp_path)


def test_journal_when_a_record_is_no_json_then_nothing_is_written(tmp_path: Path) -> None:
    """A mistake of ours costs no number."""
    journal = open_journal(tmp_path)

    for record in ({"x": float("nan")}, {"x": "y" * 2_000_000}, {"x": object()}):
        with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract
            journal.append(record)

    assert journal.append({"n": 1}) == 1
    journal.close()
