"""The broker's calendar: the hours of each trading day, half days among them."""

from __future__ import annotations

from datetime import date

from shared.contracts.alpaca_calendar import Sessions, read_calendar
from shared.resilience.http_door import HttpDoor


class TradingCalendar:
    """Sessions on request."""

    def __init__(self, door: HttpDoor, trading_url: str) -> None:
        self._door = door
        self._url = f"{trading_url.rstrip('/')}/v2/calendar"

    def sessions(self, first: date, last: date) -> Sessions:
        """Return the sessions of the days from `first` to `last`, both included. Raises
        SystemFault.
        """
        query = {"start": first.isoformat(), "end": last.isoformat()}
        return read_calendar(self._door.get_json(self._url, query))
