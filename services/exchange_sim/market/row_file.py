"""One file of rows on disk, read a piece at a time: memory does not grow with the file.

At opening the file is read once from end to end to name its content and to learn where which
minutes stand. Nothing of it is copied: rows are read again where they are when somebody asks.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from services.exchange_sim.market.bar_file import (
    DROPPED_SAMPLES_MAX,
    ROW_CHARACTERS_KEPT,
    Dropped,
    Piece,
    Window,
    drop,
)
from services.exchange_sim.market.port import DroppedRow
from services.exchange_sim.market.row_index import RowIndex
from shared.errors import ConfigFault

PIECE_BYTES = 16 * 1024
DISORDER_BYTES_MAX = 512 * 1024 * 1024
"""A stretch of rows in the wrong order must fit into memory."""
PIECES_KEPT = 4
"""Of each file and kind of row: the one that plays, and where somebody reads history."""
_HEADER_BYTES_MAX = 4096

Rows = TypeVar("Rows", bound=Dropped)


class RowFile:
    """An indexed file; `kind` says in a fault what it ought to be: "bar" or "quote"."""

    def __init__(self, path: Path, kind: str, header: str, unreadable: str = "timestamp") -> None:
        self.name = str(path)
        self.dropped: Counter[str] = Counter()
        """Rows that no minute can be told of, under the reason `unreadable`."""
        self.samples: list[DroppedRow] = []
        self._path = path
        self._unreadable = unreadable
        try:
            with path.open("rb") as file:
                self._state = _state_of(file.fileno())
                first = file.readline(_HEADER_BYTES_MAX)
                _check_header(self.name, kind, header, first)
                digest = hashlib.sha256(first)
                self.index = RowIndex(len(first), first_line=2)
                while rows := file.readlines(PIECE_BYTES):
                    digest.update(b"".join(rows))
                    self._add(rows)
        except OSError as error:
            raise ConfigFault(
                f"SIM_REPLAY: {path} cannot be read: {error.strerror}. Mend its rights."
            ) from error
        self.digest = digest.hexdigest()[:16]
        """Names the content: the first characters of its SHA-256."""
        self._check_order()

    def _add(self, rows: list[bytes]) -> None:
        line = self.index.next_line
        for number in self.index.add(rows):
            text = rows[number - line].decode("utf-8", "replace").rstrip("\n")
            drop(self, Piece(self.name, number, [text]), number, self._unreadable)

    def _check_order(self) -> None:
        for number in range(len(self.index)):
            offset, end, line = self.index.place(number)
            if end - offset > DISORDER_BYTES_MAX:
                raise ConfigFault(
                    f"SIM_REPLAY: from line {line} on {self.name} has {end - offset} bytes of rows "
                    f"in the wrong order, more than {DISORDER_BYTES_MAX}; sort it by timestamp."
                )

    def piece(self, number: int) -> Piece:
        """Read a piece; raises ConfigFault when the file is no longer the one that was indexed."""
        offset, end, line = self.index.place(number)
        try:
            with self._path.open("rb") as file:
                is_same = _state_of(file.fileno()) == self._state
                file.seek(offset)
                data = file.read(end - offset)
        except OSError as error:
            raise ConfigFault(
                f"SIM_REPLAY: {self.name} cannot be read any more: {error.strerror}. Put it back."
            ) from error
        if not is_same:
            raise ConfigFault(
                f"SIM_REPLAY: {self.name} was changed while it plays. Start again: another "
                "content is another market."
            )
        return Piece(self.name, line, data.decode("utf-8", "replace").rstrip("\n").split("\n"))


def _state_of(handle: int) -> tuple[int, int, int]:
    state = os.fstat(handle)
    return state.st_ino, state.st_size, state.st_mtime_ns


def _check_header(name: str, kind: str, header: str, line: bytes) -> None:
    found = line.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    if found != header:
        shown = repr(found[:ROW_CHARACTERS_KEPT]) if found else "nothing"
        raise ConfigFault(
            f"SIM_REPLAY: {name} is no {kind} file: its first line is {shown}, expected "
            f"{header!r}. Give the file that header and its columns, or point SIM_REPLAY at "
            "another file or folder."
        )


class Pieces(Generic[Rows]):
    """The rows of a file within one window, parsed; the newest few pieces are remembered."""

    def __init__(
        self, file: RowFile, window: Window, parse: Callable[[Piece, Window], Rows], tally: Dropped
    ) -> None:
        self.numbers = file.index.within(window)
        """Those of the window."""
        self._file = file
        self._window = window
        self._parse = parse
        self._tally = tally
        self._known: OrderedDict[int, Rows] = OrderedDict()
        self._counted = bytearray(len(self.numbers))

    def rows(self, number: int) -> Rows:
        """Return a piece's rows; what is dropped among them is counted the first time."""
        if number in self._known:
            self._known.move_to_end(number)
            return self._known[number]
        rows = self._parse(self._file.piece(number), self._window)
        if len(self._known) >= PIECES_KEPT:
            self._known.popitem(last=False)
        self._known[number] = rows
        if not self._counted[number - self.numbers.start]:
            self._counted[number - self.numbers.start] = True
            note(self._tally, rows)
        return rows


def note(tally: Dropped, rows: Dropped) -> None:
    """Add what was dropped; of each file the first ten rows are kept."""
    tally.dropped.update(rows.dropped)
    for sample in rows.samples:
        if sum(one.file == sample.file for one in tally.samples) < DROPPED_SAMPLES_MAX:
            tally.samples.append(sample)
