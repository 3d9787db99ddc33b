"""How a forked bot dies by its own hand: SIGKILL at a counted call, file call or landmark."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tests.crash.history import DiskTrouble, Kill, KillKind
from tests.support.files import FaultyFiles, failing

_ROOT = Path(__file__).resolve().parents[2]
_OURS = (f"{_ROOT}/services/trading_bot/", f"{_ROOT}/shared/")
_REAL_TIME = "deadline_sockets.py"
"""How often its functions are called depends on the machine, not on the history."""


def die() -> None:
    """End at once: no handler, no buffer, no cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)


class TroubledFiles(FaultyFiles):
    """The real files, with a death at one call and a refusing disk from another on."""

    def __init__(self, kill: Kill, disk: DiskTrouble | None) -> None:
        super().__init__()
        self._die_at = kill.at if kill.kind is KillKind.FILE_CALL else 0
        self._disk = disk
        self._refuse = failing(disk.code) if disk is not None else None

    def _call(self, method: str) -> None:
        super()._call(method)
        count = len(self.calls)
        if count == self._die_at:
            die()
        disk = self._disk
        if disk is not None and self._refuse is not None:
            is_change = method in ("open_new", "open_append", "write", "fsync", "rename")
            if disk.at <= count < disk.at + disk.calls and is_change:
                self._refuse(method)


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
