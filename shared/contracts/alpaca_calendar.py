"""What Alpaca's trading API promises of its calendar: on which days it trades, and until when."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from shared.contracts.fields import Fields, as_list
from shared.models.trading_day import NEW_YORK

Sessions = dict[date, tuple[datetime, datetime]]
"""Opening and closing of each New York day's session, in UTC; a day without one is absent."""


def read_calendar(raw: object) -> Sessions:
    """Return the sessions of GET /v2/calendar; one broken row breaks the whole read, because a
    missing day would be a day without trading.
    """
    rows = as_list(raw, "calendar")
    return dict(_session(Fields(row, f"calendar[{i}]")) for i, row in enumerate(rows))


def _session(fields: Fields) -> tuple[date, tuple[datetime, datetime]]:
    day = fields.day("date")
    opens, closes = _moment(fields, day, "open"), _moment(fields, day, "close")
    if closes <= opens:
        raise fields.drift("close", "a time after the opening")
    return day, (opens, closes)


def _moment(fields: Fields, day: date, name: str) -> datetime:
    try:
        at = time.fromisoformat(fields.text(name))
    except ValueError:
        raise fields.drift(name, "a time as HH:MM") from None
    if at.tzinfo is not None:
        raise fields.drift(name, "a New York time as HH:MM")
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)
