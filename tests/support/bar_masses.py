"""Folders of very many bars: every minute of every session of many years."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from pathlib import Path

from services.exchange_sim.market.bar_file import HEADER
from services.exchange_sim.market.calendar import NyseCalendar, sessions_between
from services.exchange_sim.market.port import Session

FIRST_DAY = date(1999, 1, 4)


def write_mass(folder: Path, symbols: tuple[str, ...], bars: int) -> date:
    """Write as many bars of each symbol and return the New York day of the last one."""
    folder.mkdir(parents=True, exist_ok=True)
    sessions = sessions_between(NyseCalendar(), FIRST_DAY, FIRST_DAY + timedelta(days=20_000))
    rows, last_day = 0, FIRST_DAY
    files = [(folder / f"{symbol}_1min.csv").open("w") for symbol in symbols]
    for file in files:
        file.write(f"{HEADER}\n")
    while rows < bars:
        session = next(sessions)
        text = _day_text(session, bars - rows)
        for file in files:
            file.write(text)
        rows, last_day = rows + text.count("\n"), session.day
    for file in files:
        file.close()
    return last_day


def _day_text(session: Session, most: int) -> str:
    """Return the session's rows; the price climbs a cent a minute."""
    first = session.opens_at.astimezone(UTC)
    count = min(most, int((session.closes_at - first).total_seconds()) // 60)
    start, day = first.hour * 60 + first.minute, f"{first:%Y-%m-%d}"
    return "".join(
        f"{day}T{minute // 60:02d}:{minute % 60:02d}:00Z,{_PRICES[minute]}\n"
        for minute in range(start, start + count)
    )


def _prices(minute: int) -> str:
    cents = 10_000 + minute
    low, middle, high = (f"{one // 100}.{one % 100:02d}" for one in (cents - 5, cents, cents + 5))
    return f"{middle},{high},{low},{middle},{1_000 + minute}"


_PRICES = [_prices(minute) for minute in range(1_440)]
