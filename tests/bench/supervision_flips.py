"""From the word of a service to the reader of health.json, beside the least that it can take.

The reference hears one datagram and replaces one file durably, with the same bytes; both are
awaited through the kernel's notice of the rename.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.supervision_rigs import OURS, Contender, running
from tests.support.system import ROOT
from tests.support.waiting import wait_until

IN_MOVED_TO = 0x80
SERVICES = 5
ROUNDS = 100
APART_S = 0.35
"""Between two words, so that none is measured in the shadow of the one before, nor of a recovery,
which is shown half a second after its word."""
WAIT_S = 10.0

REPLACER = """
import pathlib, socket, sys
from shared.persistence.atomic_file import write_document
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind(sys.argv[1])
path, size = pathlib.Path(sys.argv[2]), int(sys.argv[3])
print('ready', flush=True)
while word := ear.recv(8192):
    write_document(path, word + b' ' * (size - len(word)))
"""


class Renames:
    """Waits until a file in a folder is replaced."""

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = library.inotify_init1(os.O_CLOEXEC)
        if library.inotify_add_watch(self._descriptor, os.fsencode(folder), IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(folder))

    def wait_until(self, is_there: Callable[[], bool]) -> None:
        """Return when the condition holds after a rename; raises RuntimeError when it does not."""
        deadline_s = time.monotonic() + WAIT_S
        while not is_there():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self._descriptor], [], [], left_s)[0]:
                raise RuntimeError(f"not readable within {WAIT_S:g} s")
            os.read(self._descriptor, 65_536)

    def close(self) -> None:
        """Give the watch back."""
        os.close(self._descriptor)


@dataclass(slots=True)
class Speaker:
    """Says a new word to one ear, and waits until a file shows it."""

    ear: Path
    shown_in: Path
    form: str
    count: int = 0

    def seconds(self, voice: socket.socket) -> float:
        """Return how long one word took from the datagram to the readable file."""
        self.count += 1
        mark = f"word-{self.count}-{id(self)}"
        renames = Renames(self.shown_in.parent)
        try:
            start_s = time.monotonic()
            voice.sendto(self.form.format(mark=mark).encode(), str(self.ear))
            renames.wait_until(lambda: mark.encode() in _content(self.shown_in))
            return time.monotonic() - start_s
        finally:
            renames.close()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _prepare_notifying(base: Path, names: list[str]) -> list[str]:
    command = OURS.prepare(base, names)
    table = base / "services.toml"
    rows = table.read_text("utf-8").replace("notify = false", "beat_s = 600.0\nwatchdog_s = 3600.0")
    table.write_text(rows, "utf-8")
    return command


@contextmanager
def _replacer(base: Path, size: int) -> Iterator[Speaker]:
    ear, document = base / "ear.sock", base / "alone" / "document"
    document.parent.mkdir()
    command = [sys.executable, "-c", REPLACER, str(ear), str(document), str(size)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise RuntimeError("the reference did not start")
        try:
            yield Speaker(ear, document, "{mark}")
        finally:
            process.kill()


def flips(base: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of our flips for the worse, and of the reference, taken in turn."""
    with (
        running(Contender("ours, notifying", _prepare_notifying), base, SERVICES) as rig,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as voice,
    ):
        state = base / "state"
        ears = [state / "run" / "notify" / f"{name}.sock" for name in rig.children]
        health = state / "health.json"
        for ear in ears:
            voice.sendto(b"READY=1\nWATCHDOG=1\nX_HEALTH=OK", str(ear))
        wait_until(lambda: b'"overall": "DEGRADED"' not in _content(health), WAIT_S, "all ready")
        ours, theirs = [], []
        speakers = [Speaker(ear, health, "X_HEALTH=DEGRADED\nX_REASON={mark}") for ear in ears]
        with _replacer(base, health.stat().st_size) as reference:
            for number in range(ROUNDS):
                speaker, ear = speakers[number % SERVICES], ears[number % SERVICES]
                ours.append(speaker.seconds(voice))
                voice.sendto(b"WATCHDOG=1\nX_HEALTH=OK", str(ear))
                theirs.append(reference.seconds(voice))
                time.sleep(APART_S)
        return ours, theirs
