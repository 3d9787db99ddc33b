"""Hours of the trading day in New York: extended hours, and when auction orders are taken. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from services.exchange_sim.market.calendar import NEW_YORK, NyseCalendar
from services.exchange_sim.market.port import Session
from shared.models.orders import TimeInForce

EXTENDED_FROM = time(4)
AFTER_HOURS = timedelta(hours=4)
"""The evening lasts so long from the close on: until 20:00, on half days until 17:00."""
_AUCTION_ORDERS_FROM = time(19)
_REFUSED_FROM = {TimeInForce.OPG: time(9, 28), TimeInForce.CLS: time(15, 50)}
"""Alpaca's documents: opg not from 9:28 to 19:00, cls not from 15:50 to 19:00."""


def pre_market_start(session: Session) -> datetime:
    """Return when the day's pre-market begins, UTC."""
    return datetime.combine(session.day, EXTENDED_FROM, NEW_YORK).astimezone(UTC)


def after_hours_end(session: Session) -> datetime:
    """Return when the day's after-hours end, UTC."""
    return session.closes_at + AFTER_HOURS


def is_extended(session: Session | None, at: datetime) -> bool:
    """Whether the day's pre-market or after-hours run at that moment."""
    if session is None or session.opens_at <= at < session.closes_at:
        return False
    is_same_day = at.astimezone(NEW_YORK).date() == session.day
    return is_same_day and pre_market_start(session) <= at < after_hours_end(session)


def extended_close(moment: datetime) -> datetime:
    """Return the end of the after-hours of that moment's day; the moment itself where the day
    has none, or at night.
    """
    session = NyseCalendar().session(moment.astimezone(NEW_YORK).date())
    if session is None or not pre_market_start(session) <= moment < after_hours_end(session):
        return moment
    return after_hours_end(session)


def takes_auction_order(time_in_force: TimeInForce, at: datetime) -> bool:
    """Whether an opg or cls order may be sent at that moment; True for all others."""
    refused_from = _REFUSED_FROM.get(time_in_force)
    if refused_from is None:
        return True
    return not refused_from <= at.astimezone(NEW_YORK).time() < _AUCTION_ORDERS_FROM
