"""The trading day that a moment belongs to: the calendar date in New York."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def trading_day(moment: datetime) -> date:
    """Return the New York date of an aware moment; fills are booked on it (rule 17)."""
    return moment.astimezone(NEW_YORK).date()
