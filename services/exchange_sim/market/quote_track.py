"""One file of real quotes of a symbol, by the minute at whose end they stood."""

from __future__ import annotations

from services.exchange_sim.market.bar_file import Dropped, Window
from services.exchange_sim.market.quote_file import QuoteRows, Sides, read_quotes
from services.exchange_sim.market.row_file import Pieces, RowFile


class QuoteTrack:
    """The window's quotes; looked through once at opening, as bars are."""

    def __init__(self, file: RowFile, window: Window, tally: Dropped) -> None:
        self._index = file.index
        self._pieces = Pieces[QuoteRows](file, window, read_quotes, tally)
        for number in self._pieces.numbers:
            self._pieces.rows(number)

    def at(self, minute: int) -> Sides | None:
        """Return the bid and ask at the end of that minute, None when none is known."""
        number = self._index.at_or_before(minute)
        if number not in self._pieces.numbers:
            return None
        return self._pieces.rows(number).sides.get(minute)
