"""One file of real quotes: best bid and ask as they stood at the end of each minute. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from services.exchange_sim.market.bar_file import (
    PRICE_MAX,
    PRICE_MIN,
    MinuteReader,
    Piece,
    Window,
    drop,
)
from services.exchange_sim.market.port import DroppedRow

QUOTE_HEADER = "timestamp,bid_close,bid_size,ask_close,ask_size"
SIZE_MAX = 10**12
_COLUMNS = 5

Sides = tuple[Decimal, int, Decimal, int]
"""bid, bid size, ask, ask size."""


@dataclass(slots=True)
class QuoteRows:
    """Quotes by the epoch minute at whose end they stood, and what was dropped."""

    sides: dict[int, Sides] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    samples: list[DroppedRow] = field(default_factory=list)


def read_quotes(piece: Piece, window: Window) -> QuoteRows:
    """Return the piece's quotes within the window; of a repeated minute the first one counts."""
    rows = QuoteRows()
    read_minute = MinuteReader().read
    for number, line in enumerate(piece.lines, start=piece.first_line):
        fields = line.split(",")
        minute = read_minute(fields[0])
        if minute is None or not window.first <= minute < window.end:
            continue
        sides = _read_sides(fields)
        if sides is not None and minute not in rows.sides:
            rows.sides[minute] = sides
        else:
            drop(rows, piece, number, "quote_broken" if sides is None else "quote_duplicate")
    return rows


def _read_sides(fields: list[str]) -> Sides | None:
    """Return a row's two sides, None when it is no quote that could have stood."""
    if len(fields) != _COLUMNS:
        return None
    try:
        bid, ask = Decimal(fields[1]), Decimal(fields[3])
        bid_size, ask_size = int(fields[2]), int(fields[4])
        sane = PRICE_MIN <= bid <= ask <= PRICE_MAX
    except (InvalidOperation, ValueError):
        return None
    sizes_sane = 0 <= bid_size <= SIZE_MAX and 0 <= ask_size <= SIZE_MAX
    return (bid, bid_size, ask, ask_size) if sane and sizes_sane else None
