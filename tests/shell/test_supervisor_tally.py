"""The tally's notes: enough to outlive us, cheap at any size of the table, torn ones harmless."""

from __future__ import annotations

import logging
import resource
from pathlib import Path

import pytest

from services.supervisor.restart_policy import Death, Park
from services.supervisor.tally import NOTE_BYTES_MAX, TallyBook
from shared.models.health import ExitClass
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

KEPT = 50


def a_book(folder: Path) -> TallyBook:
    """Return the book of a supervisor that has just begun."""
    book = TallyBook(folder / "restart_tally.json", ManualClock(), logging.getLogger("test"))
    book.load()
    return book


def count(book: TallyBook, service: str, number: int = 1) -> None:
    """Count a death of that service."""
    death = Death(float(number), 1.0, ExitClass.UNCLASSIFIED)
    assert book.count(service, death, f"{number}:{number}", KEPT)


def note_of(folder: Path) -> Path:
    """Return the file of the notes."""
    return folder / "restart_tally.json.note"


def test_note_when_supervisor_dies_before_save_then_every_death_is_known(tmp_path: Path) -> None:
    """Two notes without a save: the next supervisor knows both deaths, and counts on."""
    book = a_book(tmp_path)
    for number, service in enumerate(("bot", "data", "bot"), start=1):
        count(book, service, number)
        book.note()

    heir = a_book(tmp_path)

    assert len(heir.of("bot").deaths) == 2
    assert len(heir.of("data").deaths) == 1
    assert heir.of("bot").last_identity == "3:3"


def test_note_when_torn_then_what_stands_before_and_after_it_counts(tmp_path: Path) -> None:
    """A line that broke off, by our death or a full disk, hides none of the others."""
    book = a_book(tmp_path)
    count(book, "bot")
    book.note()
    with note_of(tmp_path).open("ab") as file:
        file.write(b'\n{"schema_version": 1, "seq": 2, "boo')
    heir = a_book(tmp_path)
    count(heir, "data")
    heir.note()

    third = a_book(tmp_path)

    assert len(third.of("bot").deaths) == 1
    assert len(third.of("data").deaths) == 1


def test_note_when_book_was_saved_later_then_the_older_note_is_not_believed(
    tmp_path: Path,
) -> None:
    """A release that was saved is not undone by a note that could not be removed."""
    book = a_book(tmp_path)
    count(book, "bot")
    book.note()
    stale = note_of(tmp_path).read_bytes()
    book.release("bot")
    assert book.save()
    note_of(tmp_path).write_bytes(stale)

    assert a_book(tmp_path).of("bot").deaths == ()


def test_note_when_table_is_large_then_its_cost_does_not_grow(tmp_path: Path) -> None:
    """One death among a thousand services writes one record, not a thousand."""
    book = a_book(tmp_path)
    for number in range(1000):
        count(book, f"service-{number}")
    assert book.save()
    count(book, "service-7", 2)
    book.note()

    assert note_of(tmp_path).stat().st_size < 1000
    assert len(a_book(tmp_path).of("service-7").deaths) == 2
    assert len(a_book(tmp_path).of("service-8").deaths) == 1


def test_note_when_book_can_never_be_saved_then_notes_stay_bounded(tmp_path: Path) -> None:
    """A folder that refuses the book alone must not let the notes grow until nobody reads them."""
    book = a_book(tmp_path)
    count(book, "first")
    book.note()
    with note_of(tmp_path).open("ab") as file:
        file.write(b"\n" + b" " * NOTE_BYTES_MAX)
    count(book, "last")
    book.note()

    heir = a_book(tmp_path)

    assert note_of(tmp_path).stat().st_size < NOTE_BYTES_MAX
    assert len(heir.of("first").deaths) == len(heir.of("last").deaths) == 1


def test_note_when_the_disk_took_only_a_part_then_the_next_one_says_it_again(
    tmp_path: Path,
) -> None:
    """The kernel does not call a short write a fault; the death that it tore must not be lost."""
    book = a_book(tmp_path)
    count(book, "bot")
    book.note()
    size, limits = note_of(tmp_path).stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    count(book, "data")
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, limits[1]))
    try:
        book.note()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert note_of(tmp_path).stat().st_size == size + 30
    count(book, "bot", 2)
    book.note()

    heir = a_book(tmp_path)

    assert len(heir.of("data").deaths) == 1
    assert len(heir.of("bot").deaths) == 2


def test_park_when_the_book_cannot_be_written_then_the_note_keeps_it(tmp_path: Path) -> None:
    """A park must not be forgotten with the supervisor for want of room for the whole book."""
    book = a_book(tmp_path)
    count(book, "bot")
    in_the_way = tmp_path / "restart_tally.json"
    in_the_way.mkdir()
    book.park("bot", Park(ExitClass.CONFIG, "its keys are refused"))

    assert not book.save()

    in_the_way.rmdir()
    heir = a_book(tmp_path).of("bot")
    assert (len(heir.deaths), heir.parked) == (1, Park(ExitClass.CONFIG, "its keys are refused"))
