"""Hours of the trading day in New York: extended hours, and when auction orders are taken. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time

from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.market.port import Session
from shared.models.orders import TimeInForce

EXTENDED_FROM = time(4)
EXTENDED_TO = time(20)
_AUCTION_ORDERS_FROM = time(19)
_REFUSED_FROM = {TimeInForce.OPG: time(9, 28), TimeInForce.CLS: time(15, 50)}
"""Alpaca's documents: opg not from 9:28 to 19:00, cls not from 15:50 to 19:00."""


def is_extended(session: Session | None, at: datetime) -> bool:
    """Whether the day's pre-market or after-hours run at that moment."""
    if session is None or session.opens_at <= at < session.closes_at:
        return False
    local = at.astimezone(NEW_YORK)
    return local.date() == session.day and EXTENDED_FROM <= local.time() < EXTENDED_TO


def extended_close(closes_at: datetime) -> datetime:
    """Return the end of the after-hours of a session that closes then."""
    local = closes_at.astimezone(NEW_YORK)
    if not EXTENDED_FROM <= local.time() < EXTENDED_TO:
        return closes_at
    end = local.replace(hour=EXTENDED_TO.hour, minute=0, second=0, microsecond=0)
    return end.astimezone(UTC)


def takes_auction_order(time_in_force: TimeInForce, at: datetime) -> bool:
    """Whether an opg or cls order may be sent at that moment; True for all others."""
    refused_from = _REFUSED_FROM.get(time_in_force)
    if refused_from is None:
        return True
    return not refused_from <= at.astimezone(NEW_YORK).time() < _AUCTION_ORDERS_FROM
