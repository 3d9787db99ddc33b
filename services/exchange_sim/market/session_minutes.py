"""Which minutes of a UTC day belong to regular hours, and which to extended ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from services.exchange_sim.hours import after_hours_end, pre_market_start
from services.exchange_sim.market.bar_file import SessionMinutes, epoch_minute
from services.exchange_sim.market.calendar import Calendar

_EPOCH_DAY = date(1970, 1, 1)


def regular_minutes(calendar: Calendar) -> SessionMinutes:
    """Return what says when the sessions of a UTC day run."""

    def minutes_of(utc_day: int) -> Sequence[tuple[int, int]]:
        # Regular sessions lie within one UTC day, which has the date of the New York day.
        session = calendar.session(_EPOCH_DAY + timedelta(days=utc_day))
        if session is None:
            return ()
        return ((epoch_minute(session.opens_at), epoch_minute(session.closes_at)),)

    return minutes_of


def extended_minutes(calendar: Calendar) -> SessionMinutes:
    """Return what says when pre-markets and after-hours touch a UTC day; in winter the evening
    of the day before does.
    """

    def minutes_of(utc_day: int) -> Sequence[tuple[int, int]]:
        spans = []
        for day in (utc_day - 1, utc_day):
            session = calendar.session(_EPOCH_DAY + timedelta(days=day))
            if session is not None:
                edges = (
                    pre_market_start(session),
                    session.opens_at,
                    session.closes_at,
                    after_hours_end(session),
                )
                first, opens, closes, end = map(epoch_minute, edges)
                spans += [(first, opens), (closes, end)]
        return spans

    return minutes_of
