"""One bar file of a symbol as a row of candles: the window that plays, and the time before it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator

from services.exchange_sim.market.bar_file import (
    BarRows,
    Dropped,
    Piece,
    SessionMinutes,
    Window,
    candle_of,
    minute_moment,
    read_rows,
)
from services.exchange_sim.market.port import DroppedRow
from services.exchange_sim.market.row_file import Pieces, RowFile
from shared.models.market import Candle


class CandleRows:
    """A piece's rows, and the candles that were asked for."""

    def __init__(self, symbol: str, rows: BarRows) -> None:
        self.minutes = rows.minutes
        self.dropped: Counter[str] = rows.dropped
        self.samples: list[DroppedRow] = rows.samples
        self._symbol = symbol
        self._prices = rows.prices
        self._candles: list[Candle | None] = [None] * len(rows.minutes)

    def candle(self, place: int) -> Candle:
        """Return the candle of a row."""
        candle = self._candles[place]
        if candle is None:
            start = minute_moment(self.minutes[place])
            candle = candle_of(self._symbol, start, self._prices[place])
            self._candles[place] = candle
        return candle

    def between(self, first: int, end: int) -> Iterator[Candle]:
        """Return the candles with first <= minute < end."""
        for place in range(bisect_left(self.minutes, first), bisect_left(self.minutes, end)):
            yield self.candle(place)


class Track:
    """Candles by epoch minute. The whole window is looked through once, so that what is broken
    in it is known before it plays; what lies before it only where somebody asks.
    """

    def __init__(
        self,
        symbol: str,
        file: RowFile,
        window: Window,
        session_minutes: SessionMinutes | None,
        tally: Dropped,
    ) -> None:
        def parse(piece: Piece, part: Window) -> CandleRows:
            return CandleRows(symbol, read_rows(piece, part, session_minutes))

        self._index = file.index
        self._window = window
        older = Window(min(0, window.first), window.first)
        self._playing = Pieces[CandleRows](file, window, parse, tally)
        self._older = Pieces[CandleRows](file, older, parse, tally)
        for number in self._playing.numbers:
            self._playing.rows(number)

    def _rows_at(self, minute: int) -> CandleRows | None:
        number = self._index.at_or_before(minute)
        return self._playing.rows(number) if number in self._playing.numbers else None

    def at(self, minute: int) -> Candle | None:
        """Return the window's candle of that minute."""
        rows = self._rows_at(minute)
        if rows is None:
            return None
        place = bisect_left(rows.minutes, minute)
        found = place < len(rows.minutes) and rows.minutes[place] == minute
        return rows.candle(place) if found else None

    def newest(self, minute: int) -> Candle | None:
        """Return the window's newest candle that starts at or before that minute."""
        numbers = self._playing.numbers
        last = min(self._index.at_or_before(minute), numbers.stop - 1)
        for number in range(last, numbers.start - 1, -1):
            rows = self._playing.rows(number)
            place = bisect_right(rows.minutes, minute) - 1
            if place >= 0:
                return rows.candle(place)
        return None

    def next_minute(self, minute: int) -> int | None:
        """Return the window's first minute later than that one that has a candle."""
        numbers = self._playing.numbers
        first = max(self._index.at_or_before(minute), numbers.start)
        for number in range(first, numbers.stop):
            rows = self._playing.rows(number)
            place = bisect_right(rows.minutes, minute)
            if place < len(rows.minutes):
                return rows.minutes[place]
        return None

    def between(self, first: int, end: int) -> Iterator[Candle]:
        """Return the candles with first <= minute < end one by one, those before the window
        included.
        """
        for part in (self._older, self._playing):
            for number in self._index.within(Window(first, end)):
                if number in part.numbers:
                    yield from part.rows(number).between(first, end)

    @property
    def oldest(self) -> Candle | None:
        """The very first candle of the file that is no later than the window."""
        return next(self.between(min(0, self._window.first), self._window.end), None)
