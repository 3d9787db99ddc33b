"""The emergency stop: its existence is the truth."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.errors import TransientFault
from shared.persistence.emergency_stop import UNREADABLE, EmergencyStopFile, StopNote

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)


def test_stop_when_set_and_cleared_then_it_says_why(tmp_path: Path) -> None:
    """Set, read, clear, and clear again."""
    stop = EmergencyStopFile(tmp_path / "emergency_stop")
    assert not stop.is_set()
    assert stop.read() is None

    assert stop.set("loss", "ann", AT, False)

    assert stop.is_set()
    assert stop.read() == StopNote("loss", "ann", "2026-11-20T18:00:00.000Z", False)
    stop.clear()
    assert not stop.is_set()
    stop.clear()


def test_stop_when_set_again_then_a_wish_to_flatten_is_kept(tmp_path: Path) -> None:
    """A later, milder stop does not take the closing of positions back."""
    stop = EmergencyStopFile(tmp_path / "emergency_stop")
    stop.set("all out", "ann", AT, True)

    stop.set("stop", "bob", AT, False)

    note = stop.read()
    assert note is not None
    assert note.flatten
    assert note.by == "bob"


@pytest.mark.parametrize("content", [b"", b"\0\0", b"[]", b"{", b"\xff", b'{"reason": 5}'])
def test_stop_when_the_content_is_odd_then_it_is_set_all_the_same(
    tmp_path: Path, content: bytes
) -> None:
    """Also an empty file made by a person with touch stops trading."""
    stop = EmergencyStopFile(tmp_path / "emergency_stop")
    stop.path.write_bytes(content)

    assert stop.is_set()
    note = stop.read()
    assert note is not None
    assert note.by == UNREADABLE


def test_stop_when_something_odd_stands_there_then_it_is_set(tmp_path: Path) -> None:
    """A dangling link, a folder, a path through a file: any doubt means stop."""
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    for path in (tmp_path / "link", tmp_path / "folder", tmp_path / "file" / "emergency_stop"):
        assert EmergencyStopFile(path).is_set()
        note = EmergencyStopFile(path).read()
        assert note is not None
        assert note.reason == UNREADABLE


def test_stop_when_set_over_a_link_then_the_link_is_not_followed(tmp_path: Path) -> None:
    """The target of a planted link stays as it was."""
    (tmp_path / "target").write_text("mine")
    stop = EmergencyStopFile(tmp_path / "emergency_stop")
    stop.path.symlink_to("target")

    assert stop.set("why", "me", AT, False)

    assert (tmp_path / "target").read_text() == "mine"
    assert not stop.path.is_symlink()


def test_stop_when_it_cannot_be_created_then_it_says_so(tmp_path: Path) -> None:
    """Nothing stopped is told, never swallowed."""
    stop = EmergencyStopFile(tmp_path / "absent" / "emergency_stop")

    with pytest.raises(TransientFault, match="cannot be created"):
        stop.set("why", "me", AT, False)
