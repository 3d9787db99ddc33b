"""The result of a backtest as a document. Pure; the same run gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.trading_bot.backtest.audit import disagreements, recount
from services.trading_bot.backtest.limits_held import CloseOf, Evidence, broken_limits
from services.trading_bot.backtest.measures import (
    HalfSpread,
    daily_closes,
    daily_returns,
    drawdown_curve,
    sharpe,
    spread_paid,
    turnover,
    win_rate,
)
from services.trading_bot.backtest.records import Records
from services.trading_bot.backtest.stops_held import bare_stretches
from services.trading_bot.report import EquityPoint
from shared.models.limits import Limits

CURVE_POINTS_MAX = 1_000
SCHEMA_VERSION = 1
SHARPE_FORMULA = (
    "mean / standard deviation (n-1) of daily equity returns x sqrt(252), riskless rate 0"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms the backtest was run."""

    first: str
    last: str
    strategies: tuple[str, ...]
    cash: Decimal
    seed: int
    spread_bps: Decimal
    bars: int
    """Minute bars of the traded symbols in those days."""
    limits: Limits


@dataclass(frozen=True, slots=True)
class Prices:
    """What the recorded market says beside the run: costs, closes, and when there was a session."""

    half_spread: HalfSpread
    close_of: CloseOf
    minutes: Sequence[datetime]
    """The beginnings of the minutes with a bar, sorted."""


def result_document(terms: Terms, records: Records, prices: Prices) -> dict[str, Any]:
    """Return the result; money as text, ratios as numbers."""
    closes = daily_closes(records.points)
    return {
        "schema_version": SCHEMA_VERSION,
        "terms": _terms(terms, records),
        "measures": _measures(terms, records, prices.half_spread),
        "audit": _audit(terms, records, prices),
        "daily": [{"at": point.at, "equity": f"{point.equity:.2f}"} for point in closes],
        "curve": _curve(records.points),
        "report": records.report,
    }


def _terms(terms: Terms, records: Records) -> dict[str, Any]:
    return {
        "from": terms.first,
        "to": terms.last,
        "symbols": records.report["symbols"],
        "strategies": [_named(word) for word in terms.strategies],
        "cash": str(terms.cash),
        "seed": terms.seed,
        "spread_bps": str(terms.spread_bps),
        "bars": terms.bars,
    }


def _named(word: str) -> str:
    """Where a folder of strategies lies is no part of the result: its name is."""
    return word.rpartition("/")[2]


def _measures(terms: Terms, records: Records, half_spread: HalfSpread) -> dict[str, Any]:
    report = records.report
    returns = daily_returns(terms.cash, daily_closes(records.points))
    ratio, rate = sharpe(returns), win_rate(report["wins"], report["losses"])
    fees = -sum((one.cash for one in records.bookings if not one.is_fill), Decimal(0))
    return {
        "equity_start": report["equity_start"],
        "equity_end": report["equity_end"],
        "pnl": report["pnl"],
        "realized_pnl": report["realized_pnl"],
        "sharpe": None if ratio is None else round(ratio, 4),
        "sharpe_formula": SHARPE_FORMULA,
        "sharpe_days": len(returns),
        "max_drawdown": report["max_drawdown_pct"],
        "win_rate": None if rate is None else round(rate, 6),
        "trades": report["exits"],
        "spread_paid": f"{spread_paid(records.fills, half_spread):.2f}",
        "turnover": f"{turnover(records.fills):.2f}",
        "fees": f"{fees:.2f}",
    }


def _audit(terms: Terms, records: Records, prices: Prices) -> dict[str, Any]:
    found, stops = recount(terms.cash, records.bookings), records.stops
    evidence = Evidence(terms.limits, records.points, prices.close_of, stops.of_entries)
    said = disagreements(found, records.claims)
    return {
        "cash_from_fills": f"{found.cash:.2f}",
        "realized_from_fills": f"{found.realized:.2f}",
        "agrees": not said,
        "disagreements": list(said),
        "limits_broken": list(broken_limits(records.bookings, evidence)),
        "stops_missing": list(bare_stretches(records.bookings, stops.spans, prices.minutes)),
    }


def _curve(points: Sequence[EquityPoint]) -> list[dict[str, Any]]:
    falls = drawdown_curve(points)
    return [
        {
            "at": points[one].at,
            "equity": f"{points[one].equity:.2f}",
            "drawdown": round(falls[one], 8),
        }
        for one in thinned(points)
    ]


def thinned(points: Sequence[EquityPoint], points_max: int = CURVE_POINTS_MAX) -> tuple[int, ...]:
    """Return which points a curve needs: of each stretch the lowest and highest, and both ends."""
    if len(points) <= points_max:
        return tuple(range(len(points)))
    stretch = -(-2 * len(points) // points_max)
    kept = {0, len(points) - 1}
    for start in range(0, len(points), stretch):
        some = range(start, min(start + stretch, len(points)))
        kept.add(min(some, key=lambda one: points[one].equity))
        kept.add(max(some, key=lambda one: points[one].equity))
    return tuple(sorted(kept))


def result_json(document: dict[str, Any]) -> str:
    """Return the document as text, keys in a fixed order."""
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def is_good(document: dict[str, Any]) -> bool:
    """Whether the run was sound: books right to the cent, equal to the exchange, every limit
    held, and a stop behind every share.
    """
    report, audit = document["report"], document["audit"]
    covered = all(row["covered"] for row in report["open_positions"])
    held = not (audit["limits_broken"] or audit["stops_missing"])
    return bool(audit["agrees"] and report["equals_exchange"] and covered and held)
