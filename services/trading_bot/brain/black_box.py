"""Who spoke when the process died: a note that outlives the process, and what follows from it.

Code of a strategy that ends the process itself, out of reach of every `except`, would take the
bot with it at each start until it is parked. So its name stands in a file while it speaks. The
next start reads it, and switches off who was caught often enough; the others go on.

The note must survive the death of the process, not that of the machine: it is one write without
fsync, and another boot forgets it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path

from services.trading_bot.brain.deaths import ENDS_KEPT, End, Exit, fault_of
from shared.clock import Clock
from shared.errors import SystemFault
from shared.persistence.atomic_file import Missing, read_document, remove_litter
from shared.telemetry.logs import log_event

NAME_BYTES = 255
"""Room for the name of who speaks, at the beginning of the file; zeros while nobody does. No file,
and so no strategy, has a longer name."""
FILE_BYTES_MAX = 100_000
_NOBODY = bytes(NAME_BYTES)
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What comes of reading a document that is not ours."""


class BlackBox:
    """Notes who speaks. `off` says which strategies earlier deaths have switched off, and why.

    Without a file (`BlackBox()`) nothing is noted and nobody is off.
    """

    def __init__(self, file: int | None = None, off: Mapping[str, str] | None = None) -> None:
        self.off = dict(off or {})
        self._file = file

    @contextmanager
    def speaking(self, name: str) -> Iterator[None]:
        """Let the file tell, while this block runs, that this strategy speaks."""
        self._write(name.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0"))
        try:
            yield
        finally:
            self._write(_NOBODY)

    def _write(self, name: bytes) -> None:
        if self._file is not None:
            # A disk that refuses costs the note, never the turn.
            with suppress(OSError):
                os.pwrite(self._file, name, 0)


def open_black_box(path: Path, clock: Clock, former_exit: Callable[[], Exit]) -> BlackBox:
    """Return the box of this process, after judging how the one before it ended. Never raises: a
    bot without a box still trades.
    """
    try:
        speaker, ends, off = _read(path, clock.boot_id())
        if speaker is not None:
            ends.append(_end(speaker, former_exit, clock))
            fault = fault_of(speaker, ends) if speaker else None
            off |= {speaker: fault} if fault is not None else {}
        return BlackBox(_begun(path, clock.boot_id(), ends[-ENDS_KEPT:], off), off)
    except (OSError, SystemFault) as failure:
        log_event(_logger(), "black_box_unusable", str(failure), level=logging.WARNING)
        return BlackBox()


def close_black_box(path: Path) -> None:
    """Forget everything: this process ends because it was asked to, so that whoever is off gets
    another chance.
    """
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _read(path: Path, boot_id: str) -> tuple[str | None, list[End], dict[str, str]]:
    """Return who spoke when the process before us ended (empty: nobody; None: no process of this
    boot ended unasked), the ends before that one, and who is off. Raises SystemFault.
    """
    try:
        raw = read_document(path, FILE_BYTES_MAX)
        if isinstance(raw, Missing):
            return None, [], {}
        known = json.loads(raw[NAME_BYTES:])
        if known["boot_id"] != boot_id:
            return None, [], {}
        ends = [
            End(str(who), float(at_s), str(how), own is True)
            for who, at_s, how, own in known["ends"]
        ]
        off = {str(name): str(why) for name, why in known["off"].items()}
        return raw[:NAME_BYTES].rstrip(b"\0").decode(), ends, off
    except _UNREADABLE as failure:
        log_event(_logger(), "black_box_unreadable", str(failure), level=logging.WARNING)
        return None, [], {}


def _end(speaker: str, former_exit: Callable[[], Exit], clock: Clock) -> End:
    """Return the end of the process before us: its way, and about the time of it."""
    if not speaker:
        return End("", clock.boottime_s(), "", is_of_its_own=False)
    how = former_exit()
    words = f"the bot before died of {how.name} while {speaker} spoke"
    log_event(_logger(), "strategy_died", words, level=logging.WARNING, strategy=speaker)
    return End(speaker, clock.boottime_s(), how.name, how.is_of_its_own)


def _begun(path: Path, boot_id: str, ends: list[End], off: Mapping[str, str]) -> int:
    """Replace the file by one of this process; return its descriptor. Raises OSError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    remove_litter(path)
    known = {"boot_id": boot_id, "ends": [astuple(end) for end in ends], "off": off}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(temporary, flags, 0o600)
    try:
        os.write(file, _NOBODY + json.dumps(known).encode())
        temporary.rename(path)
    except OSError:
        os.close(file)
        raise
    return file


def _logger() -> logging.Logger:
    return logging.getLogger("strategies")
