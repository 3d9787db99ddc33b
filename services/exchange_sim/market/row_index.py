"""Where in a file which minutes stand: pieces of some hundred rows, a few numbers each. Pure.

The pieces follow one another in time. Rows in the wrong order make their pieces one, as far as
the disorder reaches: within a piece the reader sorts out what to keep.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from services.exchange_sim.market.bar_file import MINUTES_PER_DAY, MinuteReader, Window

_DAY_LENGTH = len("2019-02-11")
_STAMP_LENGTH = len("2019-02-11T14:30:00Z,")
_MINUTE_OF_BYTES = {
    f"T{minute // 60:02d}:{minute % 60:02d}:00Z,".encode(): minute
    for minute in range(MINUTES_PER_DAY)
}


class _Days(dict[bytes, int]):
    """Days as written → epoch minute at which they begin; remembers those it has read."""

    def __missing__(self, day: bytes) -> int:
        first = MinuteReader().read(f"{day.decode('ascii', 'replace')}T00:00:00Z")
        if first is None:
            raise KeyError(day)
        self[day] = first
        return first


class RowIndex:
    """Grows row by row while a file is read once; then says where a window's rows stand."""

    def __init__(self, offset: int, first_line: int) -> None:
        self.firsts = array("q")
        """Oldest minute of each piece, rising."""
        self.lasts = array("q")
        """Newest minute of each piece, rising."""
        self._offsets = array("Q")
        self._lines = array("Q")
        self._end = offset
        self.next_line = first_line
        """Line number of the row that is added next."""
        self._days = _Days()
        self._reader = MinuteReader()

    def __len__(self) -> int:
        return len(self.firsts)

    def add(self, rows: Sequence[bytes]) -> list[int]:
        """Take the next rows of the file, line ends included; return the line numbers of those
        whose timestamp is unreadable.
        """
        unreadable: list[int] = []
        try:
            stamps = [row[:_STAMP_LENGTH] for row in rows]
            days = self._days
            minutes = [
                days[stamp[:_DAY_LENGTH]] + _MINUTE_OF_BYTES[stamp[_DAY_LENGTH:]]
                for stamp in stamps
            ]
        except KeyError:
            minutes = self._slowly(rows, unreadable)
        self._place(minutes)
        self._end += sum(map(len, rows))
        self.next_line += len(rows)
        return unreadable

    def _slowly(self, rows: Sequence[bytes], unreadable: list[int]) -> list[int]:
        minutes = []
        for number, row in enumerate(rows, start=self.next_line):
            text = row.decode("utf-8", "replace").rstrip("\n").split(",", 1)[0]
            minute = self._reader.read(text)
            if minute is not None:
                minutes.append(minute)
            elif row.strip():
                unreadable.append(number)
        return minutes

    def _place(self, minutes: Sequence[int]) -> None:
        if not minutes:
            return  # they lie within the piece before them
        oldest, newest = min(minutes), max(minutes)
        offset, line = self._end, self.next_line
        while self.lasts and oldest <= self.lasts[-1]:
            oldest, newest = min(oldest, self.firsts.pop()), max(newest, self.lasts.pop())
            offset, line = self._offsets.pop(), self._lines.pop()
        self.firsts.append(oldest)
        self.lasts.append(newest)
        self._offsets.append(offset)
        self._lines.append(line)

    def place(self, number: int) -> tuple[int, int, int]:
        """Return a piece's first byte, the byte past its last one, and its first line."""
        following = number + 1
        end = self._offsets[following] if following < len(self) else self._end
        return self._offsets[number], end, self._lines[number]

    def within(self, window: Window) -> range:
        """Return the numbers of the pieces that may have rows in the window."""
        return range(bisect_left(self.lasts, window.first), bisect_left(self.firsts, window.end))

    def at_or_before(self, minute: int) -> int:
        """Return the number of the newest piece that begins no later; -1 when none does."""
        return bisect_right(self.firsts, minute) - 1
