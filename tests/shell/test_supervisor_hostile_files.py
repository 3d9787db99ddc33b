"""What a foreign hand wrote into our own files of yesterday: believed in no part, fatal in none."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from services.supervisor.adoption import ProcessRecord, RecordFolder
from services.supervisor.incidents import IncidentBook
from services.supervisor.last_health import last_health
from services.supervisor.tally import Record, TallyBook
from shared.clock import SystemClock
from shared.telemetry.last_words import read_last_words
from tests.support.supervised import Actor, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

DEEP = "[" * 100_000
INFINITE = "1e999"
GOOD_HEALTH: dict[str, object] = {
    "seq": 7,
    "overall": "OK",
    "code": "OK",
    "boottime_s": 1.0,
    "supervisor": {"pid": 1, "generation": 2},
    "services": {},
    "incidents": [],
}
INCIDENT = {
    "at": "2026-11-20T18:00:00Z",
    "service": "guardian",
    "from": "OK",
    "to": "FAILED",
    "class": "UNCLASSIFIED",
    "reason": "it died",
    "recovered_after_s": None,
}
GOOD_RECORD = ProcessRecord("web", "c.web.1", "boot", "", 1.0, pid=5, start_ticks=6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq", "many"),
        ("seq", -1),
        ("seq", True),
        ("seq", 10**400),
        ("boottime_s", "long ago"),
        ("boottime_s", float("inf")),
        ("boottime_s", 10**400),
        ("supervisor", 5),
        ("supervisor", {"generation": "x"}),
        ("services", [1]),
        ("incidents", 5),
        ("code", {}),
    ],
)
def test_health_when_a_value_is_none_of_ours_then_only_that_is_left_out(
    tmp_path: Path, name: str, value: object
) -> None:
    """The rest is still believed: seq must go on growing."""
    path = tmp_path / "health.json"
    path.write_text(json.dumps({**GOOD_HEALTH, name: value}), "utf-8")

    believed = last_health(path)

    assert believed == {key: good for key, good in GOOD_HEALTH.items() if key != name}


@pytest.mark.parametrize("text", [DEEP, "5", "[]", "", "\xff"])
def test_health_when_it_is_no_document_then_nothing_is_believed(tmp_path: Path, text: str) -> None:
    """Brackets upon brackets included."""
    path = tmp_path / "health.json"
    path.write_text(text, "latin-1")

    assert last_health(path) == {}


@pytest.mark.parametrize("at", ["yesterday", "", 5, None, "0001-01-01T00:00:00+23:59"])
def test_incident_when_its_time_is_none_then_it_is_dropped(tmp_path: Path, at: object) -> None:
    """An open one is measured when it closes, and that must never fail."""
    book = IncidentBook(tmp_path / "incidents.jsonl", SystemClock(), logging.getLogger("hostile"))

    book.restore([5, None, {**INCIDENT, "at": at}, INCIDENT])

    assert [entry["at"] for entry in book.as_documents()] == ["2026-11-20T18:00:00.000Z"]


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        "5",
        "null",
        f'{{"schema_version": 1, "seq": {INFINITE}, "boot_id": "b", "services": {{}}}}',
        '{"schema_version": 1, "seq": 1, "boot_id": "b", "services": {"web": 5}}',
    ],
)
def test_tally_when_it_is_none_then_moved_aside_and_counted_anew(tmp_path: Path, text: str) -> None:
    """Healing does not stop for a book that nobody can read."""
    path = tmp_path / "restart_tally.json"
    path.write_text(text, "utf-8")
    book = TallyBook(path, SystemClock(), logging.getLogger("hostile"))

    book.load()

    assert book.of("web") == Record()
    assert [one.name.partition(".corrupt.")[0] for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("text", [DEEP, f'{{"seq": {INFINITE}}}', "5", "{"])
def test_tally_note_when_it_is_none_then_the_book_still_holds(tmp_path: Path, text: str) -> None:
    """The book was written whole before; the note is only what came after it."""
    path, clock = tmp_path / "restart_tally.json", SystemClock()
    logger = logging.getLogger("hostile")
    former = TallyBook(path, clock, logger)
    former.hold("web", "stopped by the operator")
    assert former.save()
    path.with_name(f"{path.name}.note").write_text(text, "utf-8")
    book = TallyBook(path, clock, logger)

    book.load()

    assert book.of("web").held == "stopped by the operator"


def changed(**facts: object) -> str:
    """Return a pid file of which some facts are of the wrong kind."""
    good = {name: getattr(GOOD_RECORD, name) for name in GOOD_RECORD.__slots__}
    return f"5\n{json.dumps({**good, **facts})}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"5\n{DEEP}",
        "5",
        changed(pid="5"),
        changed(pid=-1),
        changed(pid=2**40),
        changed(start_ticks="x"),
        changed(started_s=None),
        changed(restarts="x"),
        changed(cookie=None),
        changed(moon=1),
    ],
)
def test_record_when_it_is_none_of_ours_then_nobody_is_adopted_by_it(
    tmp_path: Path, text: str
) -> None:
    """A pid that cannot be one must never reach the kernel."""
    (tmp_path / "web.pid").write_text(text, "utf-8")

    assert RecordFolder(tmp_path).read("web") is None


def test_record_when_it_is_ours_then_it_is_read_back(tmp_path: Path) -> None:
    """The counterpart of all that is refused."""
    RecordFolder(tmp_path).write(GOOD_RECORD)

    assert RecordFolder(tmp_path).read("web") == GOOD_RECORD


def a_pipe(path: Path) -> None:
    """A pipe into which nobody writes and from which nobody reads."""
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    """A folder."""
    path.mkdir()


def a_deep_file(path: Path) -> None:
    """Brackets upon brackets."""
    path.write_text(DEEP, "utf-8")


def an_infinite_file(path: Path) -> None:
    """A pid beyond all numbers."""
    path.write_text(
        f'{{"pid": {INFINITE}, "code": 1, "started_at": "", "class": "", "message": "", "at": ""}}'
    )


@pytest.mark.parametrize("make", [a_pipe, a_folder, a_deep_file, an_infinite_file])
def test_last_words_when_they_are_none_then_nothing_was_said(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """A service may leave there whatever it likes; nobody waits for it or falls over it."""
    (tmp_path / "last_words").mkdir()
    make(tmp_path / "last_words" / "web.json")

    assert read_last_words(tmp_path, "web", 5) is None


def test_supervisor_when_all_its_files_are_odd_then_it_heals_all_the_same(tmp_path: Path) -> None:
    """Health, tally, records, outputs and last words at once: the death is answered and told."""
    run = tmp_path / "state" / "run"
    run.mkdir(parents=True)
    boot_id = SystemClock().boot_id()
    odd = {**GOOD_HEALTH, "boot_id": boot_id, "incidents": [{**INCIDENT, "at": "yesterday"}]}
    (tmp_path / "state" / "health.json").write_text(json.dumps({**odd, "seq": "x"}), "utf-8")
    (tmp_path / "state" / "restart_tally.json").write_text(DEEP, "utf-8")
    a_pipe(run / "web.pid")
    a_folder(run / "page.pid")
    with supervised(tmp_path, {"web": Actor(), "page": Actor()}) as system:
        system.wait_for("web", status="OK")
        system.wait_for("page", status="OK")
        a_pipe(system.logs / "last_words" / "web.json")
        (system.logs / "incidents.jsonl").unlink()
        a_pipe(system.logs / "incidents.jsonl")
        web, page, seq = system.pid("web"), system.pid("page"), system.health()["seq"]

        os.kill(web, signal.SIGKILL)
        os.kill(page, signal.SIGKILL)

        system.wait_for("web", status="OK", restarts=1)
        system.wait_for("page", status="OK", restarts=1)
        wait_until(lambda: system.health()["seq"] > seq + 4, 10, "health every second")
        a_pipe(system.logs / "page.out.pipe")
        (system.logs / "page.out.pipe").replace(system.logs / "page.out")
        os.kill(system.pid("page"), signal.SIGKILL)
        wait_until(lambda: "is a pipe" in str(system.service("page")["reason"]), 10, "its reason")
        assert system.service("web")["status"] == "OK"
        assert system.stop() == 0
