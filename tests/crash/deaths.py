"""How a forked bot dies by its own hand: SIGKILL at a counted call, file call or landmark."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.crash.history import DiskTrouble, Kill, KillKind
from tests.support.files import FaultyFiles

_ROOT = Path(__file__).resolve().parents[2]
_OURS = (f"{_ROOT}/services/trading_bot/", f"{_ROOT}/shared/")
_CHANGES = frozenset({"open_new", "open_append", "write", "fsync", "rename"})
_REAL_TIME = "deadline_sockets.py"
"""How often its functions are called depends on the machine, not on the history."""


def die() -> None:
    """End at once: no handler, no buffer, no cleanup."""
    # Not by os.kill: while a strategy is asked, that deed is refused.
    signal.raise_signal(signal.SIGKILL)


class TroubledFiles(FaultyFiles):
    """The real files, with a death at one call and a refusing disk from another on. `refused`
    is told of every call that the disk refuses.
    """

    def __init__(
        self, kill: Kill, disk: DiskTrouble | None, refused: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__()
        self._kill = kill
        self._disk = disk
        self._refused = refused
        self._halves: set[int] = set()
        self._run: FrameType | None = None
        self._runs = self._steps = 0

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """In two parts, so that every document can be found half written."""
        self._call("write")
        is_first = descriptor not in self._halves
        self._halves ^= {descriptor}
        return os.write(descriptor, data[: max(1, len(data) // 2)] if is_first else data)

    def _call(self, method: str) -> None:
        super()._call(method)
        count, kill, disk = len(self.calls), self._kill, self._disk
        if kill.kind is KillKind.FILE_CALL and count == kill.at:
            die()
        if kill.kind is KillKind.FILE_STEP:
            self._step()
        if disk is None or method not in _CHANGES:
            return
        if disk.at <= count < disk.at + disk.calls:
            self._refused()
            raise OSError(disk.code, os.strerror(disk.code))

    def _step(self) -> None:
        """Count the calls within the named function; its running frame tells one run from the
        next.
        """
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_qualname != self._kill.landmark:
            frame = frame.f_back
        if frame is None:
            return
        if frame is not self._run:
            self._run, self._steps = frame, 0
            self._runs += 1
        self._steps += 1
        if (self._runs, self._steps) == (self._kill.times, self._kill.at):
            die()


def arm(kill: Kill) -> None:
    """Let this process die where the kill says, when that is a place in our code."""
    if kill.kind is KillKind.CODE_CALL:
        sys.setprofile(_Counted(kill.at))
    elif kill.kind is KillKind.LANDMARK:
        sys.setprofile(_Landmark(kill.landmark, kill.at))


class _Counted:
    """Dies at the Nth call of a function of ours."""

    def __init__(self, at: int) -> None:
        self._left = at
        self._ours: dict[str, bool] = {}

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call":
            return
        name = frame.f_code.co_filename
        is_ours = self._ours.get(name)
        if is_ours is None:
            is_ours = name.startswith(_OURS) and not name.endswith(_REAL_TIME)
            self._ours[name] = is_ours
        if is_ours:
            self._left -= 1
            if self._left <= 0:
                die()


class _Landmark:
    """Dies at the Nth call of (">") or return from ("<") one named function."""

    def __init__(self, landmark: str, at: int) -> None:
        self._event = "call" if landmark[0] == ">" else "return"
        self._name = landmark[1:]
        self._left = at

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == self._event and frame.f_code.co_qualname == self._name:
            self._left -= 1
            if self._left <= 0:
                die()
