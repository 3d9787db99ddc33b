"""One file of real quotes: best bid and ask as they stood at the end of each minute. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from services.exchange_sim.market.bar_file import (
    DROPPED_SAMPLES_MAX,
    PRICE_MAX,
    PRICE_MIN,
    ROW_CHARACTERS_KEPT,
    MinuteReader,
    Window,
)
from services.exchange_sim.market.port import DroppedRow
from shared.errors import ConfigFault

QUOTE_HEADER = "timestamp,bid_close,bid_size,ask_close,ask_size"
SIZE_MAX = 10**12
_COLUMNS = 5

Sides = tuple[Decimal, int, Decimal, int]
"""bid, bid size, ask, ask size."""


@dataclass(frozen=True, slots=True)
class QuoteFile:
    """A file whose header says that it holds quotes."""

    name: str
    symbol: str
    lines: tuple[str, ...]


@dataclass(slots=True)
class QuoteRows:
    """Quotes by the epoch minute at whose end they stood, and what was dropped."""

    sides: dict[int, Sides] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    samples: list[DroppedRow] = field(default_factory=list)


def open_quote_file(name: str, symbol: str, text: str) -> QuoteFile:
    """Return the file when its first line is the header of a quote file.

    Raises ConfigFault naming the file, what was found, what is expected and the mend.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    found = lines[0].strip()
    if found != QUOTE_HEADER:
        raise ConfigFault(
            f"SIM_REPLAY: {name} is no quote file: its first line is "
            f"{found[:ROW_CHARACTERS_KEPT]!r}, expected {QUOTE_HEADER!r}. Mend or remove it."
        )
    return QuoteFile(name=name, symbol=symbol, lines=tuple(lines))


def read_quotes(file: QuoteFile, window: Window) -> QuoteRows:
    """Return the file's quotes within the window; of a repeated minute the first one counts."""
    rows = QuoteRows()
    read_minute = MinuteReader().read
    for number, line in enumerate(file.lines[1:], start=2):
        fields = line.split(",")
        minute = read_minute(fields[0])
        if minute is not None and not window.first <= minute < window.end:
            continue
        if minute is None and not line.strip():
            continue
        reason = "quote_timestamp"
        if minute is not None:
            sides = _read_sides(fields)
            if sides is not None and minute not in rows.sides:
                rows.sides[minute] = sides
                continue
            reason = "quote_broken" if sides is None else "quote_duplicate"
        rows.dropped[reason] += 1
        if len(rows.samples) < DROPPED_SAMPLES_MAX:
            text = line.rstrip("\r")[:ROW_CHARACTERS_KEPT]
            rows.samples.append(DroppedRow(file.name, number, reason, text))
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
