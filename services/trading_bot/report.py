"""The report of a run: facts in, text and JSON out. Pure, and free of wall-clock time.

Two replays with the same seed give the same bytes: every time in it is market time, every order
is fixed, no process or order id is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class TradeLine:
    """One closed trade; prices per share, profit in dollars."""

    symbol: str
    qty: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entered_at: str
    exited_at: str
    pnl: Decimal
    strategy: str
    exit_reason: str


@dataclass(frozen=True, slots=True)
class OpenLine:
    """One open position and the stop that the broker holds for it (None: no live stop)."""

    symbol: str
    qty: Decimal
    entry_price: Decimal
    current_price: Decimal | None
    stop_price: Decimal | None
    stop_qty: Decimal
    """Shares that live stops at the broker cover."""

    @property
    def is_covered(self) -> bool:
        """Whether live stops cover every share."""
        return self.stop_qty >= abs(self.qty)


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Equity at one market moment, in dollars."""

    at: str
    equity: Decimal


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """Everything that the report says. `differences` is None when the exchange cannot be asked."""

    mode: str
    account_id: str
    symbols: Sequence[str]
    equity_points: Sequence[EquityPoint]
    entries: int
    """Entry orders with a fill."""
    trades: Sequence[TradeLine]
    denials: Mapping[str, int]
    positions: Sequence[OpenLine]
    differences: Sequence[str] | None

    @property
    def is_equal(self) -> bool:
        """Whether local state equals the exchange's truth."""
        return self.differences is not None and not self.differences

    @property
    def is_sound(self) -> bool:
        """Equal to the exchange, and every open position with a live stop."""
        return self.is_equal and all(line.is_covered for line in self.positions)


def max_drawdown(points: Sequence[EquityPoint]) -> Decimal:
    """Return the deepest fall from a peak as a fraction of that peak; 0 without points."""
    peak = Decimal(0)
    deepest = Decimal(0)
    for point in points:
        peak = max(peak, point.equity)
        if peak > 0:
            deepest = max(deepest, (peak - point.equity) / peak)
    return deepest


def report_document(facts: ReportFacts) -> dict[str, object]:
    """Return the report as a JSON-able document; money as strings."""
    trades = _sorted_trades(facts.trades)
    first = facts.equity_points[0] if facts.equity_points else None
    last = facts.equity_points[-1] if facts.equity_points else None
    return {
        "mode": facts.mode,
        "account_id": facts.account_id,
        "symbols": sorted(facts.symbols),
        "from": first.at if first else None,
        "to": last.at if last else None,
        "equity_start": _money(first.equity) if first else None,
        "equity_end": _money(last.equity) if last else None,
        "pnl": _money(last.equity - first.equity) if first and last else None,
        "realized_pnl": _money(sum((trade.pnl for trade in trades), Decimal(0))),
        "max_drawdown_pct": f"{max_drawdown(facts.equity_points):.6f}",
        "entries": facts.entries,
        "exits": len(trades),
        "wins": sum(trade.pnl > 0 for trade in trades),
        "losses": sum(trade.pnl < 0 for trade in trades),
        "breakeven": sum(trade.pnl == 0 for trade in trades),
        "exits_by_reason": _exits_by_reason(trades),
        "denials": {code: facts.denials[code] for code in sorted(facts.denials)},
        "trades": [_trade_row(trade) for trade in trades],
        "open_positions": [_open_row(line) for line in sorted(facts.positions, key=_symbol)],
        "equals_exchange": facts.is_equal if facts.differences is not None else None,
        "differences": sorted(facts.differences or ()),
    }


def report_json(facts: ReportFacts) -> str:
    """Return the document as text, keys in a fixed order."""
    return json.dumps(report_document(facts), indent=1, ensure_ascii=True) + "\n"


def report_text(facts: ReportFacts) -> str:
    """Return the report for people."""
    document = report_document(facts)
    lines = [
        f"Report of account {facts.account_id} ({facts.mode}), {len(facts.symbols)} symbols",
        f"  from {document['from']} to {document['to']} market time",
        f"  equity {document['equity_start']} -> {document['equity_end']}, "
        f"P&L {document['pnl']} (realized {document['realized_pnl']})",
        f"  max drawdown {max_drawdown(facts.equity_points) * 100:.3f} %",
        f"  entries {document['entries']}, exits {document['exits']}: {document['wins']} won, "
        f"{document['losses']} lost, {document['breakeven']} even",
    ]
    lines += _counts("exits by reason", _exits_by_reason(facts.trades))
    lines += _counts("denials by check", facts.denials)
    lines += _trade_lines(_sorted_trades(facts.trades))
    lines += _position_lines(facts.positions)
    lines += _verdict_lines(facts)
    return "\n".join(lines) + "\n"


def _symbol(line: OpenLine) -> str:
    return line.symbol


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT)}"


def _sorted_trades(trades: Sequence[TradeLine]) -> list[TradeLine]:
    return sorted(trades, key=lambda trade: (trade.exited_at, trade.entered_at, trade.symbol))


def _exits_by_reason(trades: Sequence[TradeLine]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for trade in trades:
        word = trade.exit_reason.split(":")[0] or "unknown"
        counts[word] = counts.get(word, 0) + 1
    return {word: counts[word] for word in sorted(counts)}


def _trade_row(trade: TradeLine) -> dict[str, str]:
    return {
        "symbol": trade.symbol,
        "qty": str(trade.qty),
        "entry_price": str(trade.entry_price),
        "exit_price": str(trade.exit_price),
        "entered_at": trade.entered_at,
        "exited_at": trade.exited_at,
        "pnl": _money(trade.pnl),
        "strategy": trade.strategy,
        "exit_reason": trade.exit_reason,
    }


def _open_row(line: OpenLine) -> dict[str, object]:
    return {
        "symbol": line.symbol,
        "qty": str(line.qty),
        "entry_price": str(line.entry_price),
        "current_price": str(line.current_price) if line.current_price is not None else None,
        "stop_price": str(line.stop_price) if line.stop_price is not None else None,
        "stop_qty": str(line.stop_qty),
        "covered": line.is_covered,
    }


def _counts(title: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return [f"  {title}: none"]
    rows = ", ".join(f"{word} {counts[word]}" for word in sorted(counts))
    return [f"  {title}: {rows}"]


def _trade_lines(trades: Sequence[TradeLine]) -> list[str]:
    if not trades:
        return ["  trades: none"]
    lines = ["  trades:"]
    for trade in trades:
        lines.append(
            f"    {_clock(trade.entered_at)} -> {_clock(trade.exited_at)} {trade.symbol:<6} "
            f"{trade.qty:>6} at {trade.entry_price:.4f} -> {trade.exit_price:.4f} "
            f"{_money(trade.pnl):>10}  {trade.exit_reason}"
        )
    return lines


def _clock(stamp: str) -> str:
    """Market time to the second, UTC."""
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%m-%d %H:%M:%S")


def _position_lines(positions: Sequence[OpenLine]) -> list[str]:
    if not positions:
        return ["  open positions: none"]
    lines = ["  open positions:"]
    for line in sorted(positions, key=_symbol):
        stop = f"stop {line.stop_price}" if line.stop_price is not None else "NO STOP"
        cover = "" if line.is_covered else f", only {line.stop_qty} covered"
        lines.append(f"    {line.symbol:<6} {line.qty:>6} at {line.entry_price:.4f} {stop}{cover}")
    return lines


def _verdict_lines(facts: ReportFacts) -> list[str]:
    if facts.differences is None:
        return ["  local state equals the exchange: unknown, it could not be asked"]
    lines = [f"  local state equals the exchange: {'yes' if facts.is_equal else 'no'}"]
    lines += [f"    {difference}" for difference in sorted(facts.differences)]
    covered = all(line.is_covered for line in facts.positions)
    lines.append(f"  every open position has a live stop: {'yes' if covered else 'no'}")
    return lines
