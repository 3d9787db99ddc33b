"""Fail at every single call of a plain document's replacement and of the emergency stop."""

from __future__ import annotations

import errno
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.errors import TransientFault
from shared.persistence.atomic_file import read_document, write_document
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.persistence.file_port import FilePort
from tests.support.files import FaultyFiles, failing
from tests.support.stores import names_in

pytestmark = pytest.mark.integration

ERRORS = pytest.mark.parametrize(
    ("code", "lasting"),
    [(errno.ENOSPC, False), (errno.EIO, False), (errno.EIO, True), (errno.EROFS, True)],
)


def new_folder(base: Path) -> Path:
    """Return a new, empty folder."""
    folder = base / str(len(list(base.iterdir())))
    folder.mkdir()
    return folder


@ERRORS
def test_document_when_a_call_fails_then_it_is_old_or_new(
    tmp_path: Path, code: int, lasting: bool
) -> None:
    """The plain durable replace, without a store around it."""

    def prepared() -> Path:
        folder = new_folder(tmp_path)
        write_document(folder / "x.json", b"old")
        return folder

    def new(folder: Path, files: FilePort) -> None:
        write_document(folder / "x.json", b"new", files)

    files = FaultyFiles()
    new(prepared(), files)
    for call in range(1, len(files.calls) + 1):
        folder = prepared()
        acknowledged = False
        with suppress(TransientFault):
            new(folder, FaultyFiles(call, failing(code), lasting))
            acknowledged = True

        found = read_document(folder / "x.json", 100)

        assert found in ([b"new"] if acknowledged else [b"old", b"new"])
        assert lasting or names_in(folder) == {"x.json"}


def test_document_when_written_then_nothing_is_named_before_it_is_on_the_disk(
    tmp_path: Path,
) -> None:
    """The order that a power cut needs: bytes, fsync, close, name, fsync of the folder."""
    files = FaultyFiles()

    write_document(tmp_path / "x.json", b"n", files, keep_previous=True)

    assert files.calls == [
        "open_folder", "open_new", "write", "fsync", "close", "rename", "rename", "fsync", "close",
    ]  # fmt: skip


@ERRORS
def test_emergency_stop_when_a_call_fails_then_it_says_whether_it_stopped(
    tmp_path: Path, code: int, lasting: bool
) -> None:
    """Setting the stop on a refusing disk: stopped, or an error; never a silent nothing."""
    at = datetime(2026, 11, 20, tzinfo=UTC)

    def run(folder: Path, files: FilePort) -> bool:
        EmergencyStopFile(folder / "emergency_stop", files).set("why", "me", at, False)
        return True

    files = FaultyFiles()
    run(new_folder(tmp_path), files)
    for call in range(1, len(files.calls) + 1):
        folder = new_folder(tmp_path)
        said = False
        with suppress(TransientFault):
            said = run(folder, FaultyFiles(call, failing(code), lasting))

        assert EmergencyStopFile(folder / "emergency_stop").is_set() is said
