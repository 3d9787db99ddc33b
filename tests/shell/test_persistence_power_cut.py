"""The same cut on a real file system: an ext4 image whose backing file is copied while mounted.

What the kernel had not written yet is missing in the copy, as after a power loss. Needs root and
loop devices; without them test_persistence_power_loss.py is the proof, on a model of a disk.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.persistence.file_port import RealFiles
from tests.support.stores import load_state, names_in, open_journal, open_store, state_of

pytestmark = pytest.mark.integration

IMAGE_BYTES = 4 << 20
COMMAND_S = 20


def run(*words: str) -> bool:
    """Run a command; whether it ended well."""
    return (
        subprocess.run(words, capture_output=True, timeout=COMMAND_S, check=False).returncode == 0
    )


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """Mount an image, without the heuristics by which ext4 hides a missing fsync."""
    point = image.with_suffix(".mounted")
    point.mkdir()
    if not run("mount", "-o", "loop,noauto_da_alloc", str(image), str(point)):
        point.rmdir()
        pytest.skip("needs root, mount and loop devices: see test_persistence_power_loss.py")
    try:
        yield point
    finally:
        assert run("umount", str(point))
        point.rmdir()


class CutFiles(RealFiles):
    """The real files; before every call that changes something the image is copied."""

    def __init__(self, image: Path, *, is_deaf: bool = False) -> None:
        self.promised: list[int] = []
        """For each copy, the newest state that was acknowledged by then."""
        self.saved = 0
        self._image = image
        self._is_deaf = is_deaf

    def copy_of(self, number: int) -> Path:
        """Return where a copy lies."""
        return self._image.with_name(f"cut-{number}.img")

    def cut(self) -> None:
        """Let the power go: the image as the disk has it now."""
        shutil.copyfile(self._image, self.copy_of(len(self.promised)))
        self.promised.append(self.saved)

    def open_new(self, folder: int, name: str, mode: int) -> int:
        self.cut()
        return super().open_new(folder, name, mode)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self.cut()
        return super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self.cut()
        if not self._is_deaf:
            super().fsync(descriptor)

    def rename(self, folder: int, old: str, new: str) -> None:
        self.cut()
        super().rename(folder, old, new)


def broken_after_cuts(base: Path, *, is_deaf: bool) -> tuple[int, list[str]]:
    """Save three states and two records on a mounted image; return how many cuts were made and
    what the real loaders found wrong after them.
    """
    image, wrong = base / "disk.img", []
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    if not run("mkfs.ext4", "-q", "-F", str(image)):
        pytest.skip("needs mkfs.ext4: see test_persistence_power_loss.py")
    files = CutFiles(image, is_deaf=is_deaf)
    with mounted(image) as folder:
        store, _ = open_store(folder, files)
        journal = open_journal(folder, files)
        for cycle in (1, 2, 3):
            journal.append({"n": cycle})
            store.commit(state_of(cycle))
            files.saved = cycle
        files.cut()
        journal.close()
    for number, saved in enumerate(files.promised):
        with mounted(files.copy_of(number)) as folder:
            loaded = load_state(folder)
            cycle = 0 if loaded.payload is None else loaded.payload["cycle"]
            found = open_journal(folder)
            if not saved <= cycle <= saved + 1 or not saved <= found.last_seq <= saved + 1:
                wrong.append(f"state {cycle}, records {found.last_seq}, acknowledged {saved}")
            wrong += [name for name in names_in(folder) if ".corrupt." in name]
            found.close()
        files.copy_of(number).unlink()
    return len(files.promised), wrong


def test_state_when_the_power_goes_on_a_mounted_disk_then_every_promise_is_kept(
    tmp_path: Path,
) -> None:
    """Three saves and three records on ext4, cut before every changing call."""
    cuts, wrong = broken_after_cuts(tmp_path, is_deaf=False)

    assert wrong == []
    assert cuts > 30


def test_power_cut_when_no_fsync_is_made_then_it_is_found(tmp_path: Path) -> None:
    """The cut is real: without fsync what was acknowledged is gone."""
    _, wrong = broken_after_cuts(tmp_path, is_deaf=True)

    assert any("acknowledged 3" in words for words in wrong)
