"""What the broker still knows after our state was lost: the peak, and who rests. Pure.

The day's loss counts from `last_equity` by itself, positions and trades come back with the
reconciliation. What nobody can tell (a pause, refused entries, highs within a day) stays unknown,
so the hold stays until an approver clears it (ORDER_PATH.md rule 15).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.events.types import MoneyRebuilt
from shared.models.broker import BrokerFill
from shared.models.movements import TRANSFER_KINDS, BrokerMovement
from shared.models.pnl import EquityPoint
from shared.models.portfolio import Account
from shared.models.trading_day import trading_day

ZERO = Decimal(0)
UNKNOWN = "a pause of the operator, rests after refused entries and highs within a day"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was read, whole and successfully."""

    account: Account
    history: tuple[EquityPoint, ...]
    """Equity by the day, left-labelled as the broker shows it."""
    movements: tuple[BrokerMovement, ...]
    fills: tuple[BrokerFill, ...]
    at: datetime


def rebuilt(seen: Evidence) -> MoneyRebuilt:
    """Return what the evidence comes to."""
    peak, rests = _peak(seen), _rests(seen.fills)
    first = min((point.at for point in seen.history), default=None)
    since = (
        f"{len(seen.history)} daily values since {trading_day(first)}" if first else "no history"
    )
    symbols = ", ".join(sorted(rests)) or "none"
    reason = (
        f"the trading state was lost; rebuilt: peak {peak:.2f} from {since}, the day's loss from "
        f"{seen.account.last_equity:.2f}, cooldowns from the fills ({symbols}); "
        f"not known: {UNKNOWN}"
    )
    return MoneyRebuilt(peak, rests, reason, seen.at)


def _peak(seen: Evidence) -> Decimal:
    """Return the highest equity, moved along by transfers: a deposit is no profit."""
    peak = ZERO
    transfers = sorted(
        (one for one in seen.movements if one.kind in TRANSFER_KINDS), key=lambda one: one.day
    )
    moved = 0
    for point in sorted(seen.history, key=lambda one: one.at):
        day = trading_day(point.at)
        while moved < len(transfers) and transfers[moved].day <= day:
            # Money that came before the first value is in it already.
            peak = max(ZERO, peak + transfers[moved].amount) if peak > ZERO else peak
            moved += 1
        peak = max(peak, point.equity)
    late = sum((one.amount for one in transfers[moved:]), ZERO)
    today = sum((one.amount for one in transfers if one.day >= trading_day(seen.at)), ZERO)
    candidates = (peak + late, seen.account.last_equity + today, seen.account.equity)
    return max(ZERO, *candidates)


def _rests(fills: Iterable[BrokerFill]) -> Mapping[str, datetime]:
    """Return each symbol's newest fill: its rest counts from there at the latest."""
    newest: dict[str, datetime] = {}
    for fill in fills:
        newest[fill.symbol] = max(fill.at, newest.get(fill.symbol, fill.at))
    return newest
