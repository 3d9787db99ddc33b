"""Weighs the guard's denials: how often each check bound, and what it cost or saved. Pure.

What a refused entry would have been worth is judged by the price a while later, without stop and
target: a measure of direction, not a forecast. A signal that comes again each minute is refused
each minute, but could have been entered once; so denials of one symbol by one check count as one
episode until the horizon is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

EPISODES_MIN = 20
"""Fewer say nothing about a limit."""
ENTRY, BUY = "ENTRY", "buy"
ZERO = Decimal(0)
SETTINGS: Mapping[str, str] = {
    "trade_risk": "RISK_PER_TRADE_PCT",
    "notional": "MAX_NOTIONAL_PER_ORDER",
    "position": "POSITION_LIMIT_PCT or MAX_POSITION_SIZE_USD",
    "concentration": "MAX_CONCENTRATION_PER_SYMBOL_PCT",
    "gross_exposure": "MAX_PORTFOLIO_EXPOSURE_PCT",
    "open_positions": "MAX_OPEN_POSITIONS",
    "band_trade": "MAX_PRICE_DEVIATION_PCT",
    "band_mid": "MAX_PRICE_DEVIATION_PCT",
    "band_close": "MAX_PRICE_DEVIATION_PCT",
    "cooldown": "MIN_COOLDOWN_MINUTES",
    "daily_loss": "DAILY_LOSS_LIMIT_PCT",
    "drawdown": "MAX_DRAWDOWN_PCT",
}
"""Checks that a setting tunes. All others ask for evidence, and no profit weighs against that."""

Worth = Callable[[str, datetime, timedelta], "tuple[Decimal, Decimal] | None"]
"""Symbol, moment, horizon → price then and price later, dollars; None when nobody knows."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What one check did. Dollars at the horizon, of episodes that it alone refused."""

    code: str
    denials: int
    """Entries that it refused, alone or with others."""
    alone: int
    """Of them refused by nothing else: only those would have gone out without it."""
    episodes: int
    priced: int
    """Episodes of which the later price is known."""
    forgone: Decimal
    """Gains that it kept from us, 0 or more."""
    avoided: Decimal
    """Losses that it kept from us, 0 or more."""
    limit: str
    """As the trace of the newest denial says it."""
    values: tuple[str, str]
    """The least and the greatest value that it refused; texts when they are no numbers."""

    @property
    def net(self) -> Decimal:
        """What the check cost; negative: what it saved."""
        return self.forgone - self.avoided


@dataclass(slots=True)
class _Tally:
    denials: int = 0
    alone: int = 0
    episodes: int = 0
    priced: int = 0
    forgone: Decimal = ZERO
    avoided: Decimal = ZERO
    limit: str = ""
    values: list[str] = field(default_factory=list)
    last_episode: dict[str, datetime] = field(default_factory=dict)


def weigh(
    denials: Iterable[Mapping[str, Any]], worth: Worth, horizon: timedelta
) -> tuple[Weight, ...]:
    """Return a weight for each check that refused an entry, the most frequent first.

    `denials` are rows of the ledger with their trace, oldest first.
    """
    tallies: dict[str, _Tally] = {}
    for row in denials:
        if row["purpose"] != ENTRY:
            continue
        failed = [check for check in row["trace"] if not check["passed"]]
        for check in failed:
            tally = tallies.setdefault(check["code"], _Tally())
            tally.denials += 1
            tally.limit = check["limit"]
            tally.values.append(check["value"])
            if len(failed) == 1:
                _count_alone(tally, row, worth, horizon)
    weights = [_weight(code, tally) for code, tally in tallies.items()]
    return tuple(sorted(weights, key=lambda one: (-one.denials, one.code)))


def _count_alone(tally: _Tally, row: Mapping[str, Any], worth: Worth, horizon: timedelta) -> None:
    tally.alone += 1
    symbol, at = row["symbol"], datetime.fromisoformat(row["at"])
    before = tally.last_episode.get(symbol)
    if before is not None and at - before < horizon:
        return
    tally.last_episode[symbol] = at
    tally.episodes += 1
    prices = worth(symbol, at, horizon)
    if prices is None:
        return
    tally.priced += 1
    sign = 1 if row["side"] == BUY else -1
    change = sign * Decimal(row["qty"]) * (prices[1] - prices[0])
    tally.forgone += max(ZERO, change)
    tally.avoided += max(ZERO, -change)


def _weight(code: str, tally: _Tally) -> Weight:
    numbers = [number for number in map(_number, tally.values) if number is not None]
    if numbers and len(numbers) == len(tally.values):
        values = (format(min(numbers), "f"), format(max(numbers), "f"))
    else:
        values = (min(tally.values), max(tally.values))
    return Weight(
        code=code,
        denials=tally.denials,
        alone=tally.alone,
        episodes=tally.episodes,
        priced=tally.priced,
        forgone=tally.forgone,
        avoided=tally.avoided,
        limit=tally.limit,
        values=values,
    )


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def proposal(weight: Weight) -> str:
    """Return what a person may think about; nothing here changes a limit."""
    setting = SETTINGS.get(weight.code)
    if setting is None:
        return "none: it asks for evidence, and no profit weighs against that"
    if weight.priced < EPISODES_MIN:
        return f"none: {weight.priced} episodes with a price say nothing, {EPISODES_MIN} might"
    if weight.net <= 0:
        return f"keep {setting}: what it alone refused would have lost {-weight.net:.2f}"
    return (
        f"consider {setting}: what it alone refused would have gained {weight.net:.2f}; "
        f"its limit is {weight.limit}, it refused {weight.values[0]} to {weight.values[1]}"
    )


def tuning_document(weights: Sequence[Weight], horizon: timedelta) -> dict[str, Any]:
    """Return the report as a JSON-able document; money as text."""
    return {
        "schema_version": 1,
        "horizon_minutes": horizon.total_seconds() / 60,
        "changes": "none: this report proposes, a person decides",
        "checks": [
            {
                "code": one.code,
                "denials": one.denials,
                "alone": one.alone,
                "episodes": one.episodes,
                "priced": one.priced,
                "gains_forgone": f"{one.forgone:.2f}",
                "losses_avoided": f"{one.avoided:.2f}",
                "net_cost": f"{one.net:.2f}",
                "limit": one.limit,
                "refused_values": list(one.values),
                "proposal": proposal(one),
            }
            for one in weights
        ],
    }


def tuning_text(weights: Sequence[Weight], horizon: timedelta) -> str:
    """Return the report for people."""
    minutes = horizon.total_seconds() / 60
    if not weights:
        return "No entry was ever refused: no limit bound.\n"
    lines = [
        f"Refused entries by check; worth judged {minutes:g} market minutes later, of what the "
        "check alone refused.",
        f"{'CHECK':<16} {'DENIED':>7} {'ALONE':>6} {'EPISODES':>8} {'FORGONE':>10} "
        f"{'AVOIDED':>10} {'NET COST':>10}",
    ]
    for one in weights:
        lines.append(
            f"{one.code:<16} {one.denials:>7} {one.alone:>6} {one.episodes:>8} "
            f"{one.forgone:>10.2f} {one.avoided:>10.2f} {one.net:>10.2f}"
        )
        lines.append(f"    {proposal(one)}")
    lines.append("Nothing was changed.")
    return "\n".join(lines) + "\n"
