"""bot_status.json: what the bot knows, for the page and the chat. Pure rendering; money as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.trading_bot.brain.clamps import pnl_pct, shown_price
from services.trading_bot.brain.ward import StrategyRow
from services.trading_bot.coverage import CoverageRow, coverage, coverage_pct
from services.trading_bot.external_shares import external_coverage, own_stops
from services.trading_bot.gates import GateResult
from shared.clock import utc_text
from shared.models.broker import BrokerOrder, ClockReading
from shared.models.limits import Limits
from shared.models.numbers import CENT
from shared.models.orders import Order, OrderStatus
from shared.models.pnl import Statement
from shared.models.portfolio import Account, Position
from shared.models.trading_state import BotState
from shared.persistence.market_rows import FeedStatus
from shared.resilience.door_standing import DoorStanding
from shared.risk.dollars import DollarLimits
from shared.risk.trading_state import CauseLine, StateVerdict

CLOSED_ORDERS_SHOWN = 30
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and on which boot the status was written."""

    written_at: datetime
    boot_id: str
    boottime_s: float


@dataclass(frozen=True, slots=True)
class GateLine:
    """One advisory gate's result and its market time."""

    at: datetime
    result: GateResult


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """Everything that the status shows. None means not known."""

    state: BotState
    limits: Limits
    reading: ClockReading | None
    account: Account | None
    broker_positions: Mapping[str, Position] | None
    verdict: StateVerdict
    emergency_stop: bool
    reconcile: Mapping[str, object]
    feeds: Sequence[FeedStatus]
    gates: Sequence[GateLine]
    strategies: Sequence[StrategyRow]
    doors: DoorStanding
    foreign_orders: Sequence[BrokerOrder] = ()
    """Working orders at the broker that are none of ours, as far as they were looked for."""


def status_document(facts: StatusFacts, stamp: Stamp) -> dict[str, object]:
    """Return the document of schema version 1."""
    state, account, reading = facts.state, facts.account, facts.reading
    pnl, day = state.pnl, state.day
    equity = account.equity if account is not None else pnl.equity
    covered = coverage(state, reading.now if reading is not None else None)
    return {
        "schema_version": 1,
        "written_at": utc_text(stamp.written_at),
        "boot_id": stamp.boot_id,
        "boottime_s": stamp.boottime_s,
        "mode": state.mode,
        "account_id": state.account_id,
        "market_time": utc_text(reading.now) if reading is not None else None,
        "is_open": reading.is_open if reading is not None else None,
        "equity": _money(equity),
        "cash": _money(account.cash if account is not None else None),
        "last_equity": _money(account.last_equity if account is not None else None),
        "buying_power": _money(account.buying_power if account is not None else None),
        "day_pnl": _money(day.pnl(equity) if day is not None and equity is not None else None),
        "total_pnl": _money(pnl.realized),
        "total_trades": pnl.trades,
        "wins": pnl.wins,
        "losses": pnl.losses,
        "breakeven": pnl.breakeven,
        "win_rate": float(pnl.win_rate) if pnl.win_rate is not None else None,
        "max_drawdown_pct": float(pnl.max_drawdown_pct),
        "peak_equity": _money(pnl.peak_equity),
        "trading_state": facts.verdict.state.value,
        "trading_state_cause": facts.verdict.cause.value,
        "causes": [_cause_row(line) for line in facts.verdict.causes],
        "emergency_stop_active": facts.emergency_stop,
        "paused": state.operator.paused,
        **_holdings(facts, covered),
        "orders": [_order_row(order) for order in _shown_orders(state)],
        "coverage_pct": round(float(coverage_pct(covered)), 2),
        "unknown_outcomes": len(state.unknown_outcomes),
        "plans": [f"{plan.kind.value} {plan.symbol}: {plan.step}" for plan in state.plans],
        "reconcile": dict(facts.reconcile),
        "statement": _statement_row(state.statement),
        "limits": _limit_rows(facts, equity),
        "feeds": [_feed_row(feed, reading) for feed in facts.feeds],
        "budgets": list(facts.doors.budgets),
        "breakers": list(facts.doors.breakers),
        "gates": [_gate_row(line) for line in facts.gates],
        "strategies": [_strategy_row(row) for row in facts.strategies],
    }


def _money(amount: Decimal | None) -> str | None:
    return str(amount.quantize(CENT)) if amount is not None else None


def _price(amount: Decimal | None) -> str | None:
    # not `str`: that writes 260 as 2.6E+2
    return f"{amount.normalize():f}" if amount is not None else None


def _position_row(position: Position, facts: StatusFacts, confirmed: bool) -> dict[str, object]:
    shown = (facts.broker_positions or {}).get(position.symbol)
    price = shown_price(shown.current_price, position.entry_price) if shown is not None else None
    value = position.qty * price if price is not None else None
    gain = position.qty * (price - position.entry_price) if price is not None else None
    gain_pct = pnl_pct(position.entry_price, price, is_short=position.qty < 0)
    return {
        "symbol": position.symbol,
        "qty": str(position.qty),
        "entry_price": _price(position.entry_price.quantize(Decimal("0.0001"))),
        "current_price": _price(price),
        "market_value": _money(value),
        "unrealized_pnl": _money(gain),
        "unrealized_pnl_pct": _money(gain_pct) if price is not None else None,
        "stop_price": _price(position.stop_price),
        "target_price": _price(position.target_price),
        "stop_confirmed": confirmed,
        "strategy": position.strategy,
        "opened_at": utc_text(position.opened_at) if position.opened_at is not None else None,
    }


def _holdings(facts: StatusFacts, covered: Mapping[str, CoverageRow]) -> dict[str, object]:
    """What is ours, and what is held beside it: counted and shown, never traded."""
    now = facts.reading.now if facts.reading is not None else None
    rows = external_coverage(facts.state, facts.broker_positions, now, facts.foreign_orders)
    return {
        "positions": [
            _position_row(position, facts, covered[symbol].is_covered)
            for symbol, position in sorted(facts.state.positions.items())
        ],
        "external_positions": [
            _external_row(symbol, row, facts) for symbol, row in sorted(rows.items())
        ],
        "external_coverage_pct": round(float(coverage_pct(rows)), 2),
    }


def _external_row(symbol: str, row: CoverageRow, facts: StatusFacts) -> dict[str, object]:
    held = facts.state.external_positions[symbol]
    stops = [each.stop_price for each in own_stops(symbol, facts.state) if each.stop_price]
    return {
        "symbol": symbol,
        "qty": str(held.qty),
        "current_price": _price(held.current_price),
        "market_value": _money(held.market_value),
        "protected_qty": str(min(row.stop_qty, row.open_qty)),
        "stop_price": _price(max(stops, default=None)),
    }


def _statement_row(statement: Statement | None) -> dict[str, object] | None:
    if statement is None:
        return None
    return {
        "day": statement.day.isoformat(),
        "at": utc_text(statement.at),
        "is_final": statement.is_final,
        "matches": not statement.differences,
        "differences": list(statement.differences),
    }


def _shown_orders(state: BotState) -> list[Order]:
    """Every order that is not over, and the newest of those that are."""
    closed = [order for order in state.orders.values() if order.status.is_terminal]
    open_orders = [order for order in state.orders.values() if not order.status.is_terminal]
    return open_orders + closed[-CLOSED_ORDERS_SHOWN:]


def _order_row(order: Order) -> dict[str, object]:
    unknown = order.status is OrderStatus.UNKNOWN
    return {
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "qty": str(order.qty),
        "filled_qty": str(order.filled_qty),
        "type": order.type.value,
        "role": order.role.value,
        "status": order.status.value,
        "limit_price": _price(order.limit_price),
        "stop_price": _price(order.stop_price),
        "created_at": utc_text(order.created_at) if order.created_at is not None else None,
        "reason": "nobody knows yet whether it exists" if unknown else order.reason,
    }


def _limit_rows(facts: StatusFacts, equity: Decimal | None) -> list[dict[str, object]]:
    dollars = DollarLimits.of(facts.limits, equity)
    state, day = facts.state, facts.state.day
    exposure = largest = None
    if facts.broker_positions is not None:
        held = [abs(position.market_value) for position in facts.broker_positions.values()]
        exposure, largest = sum(held, _ZERO), max(held, default=_ZERO)
    lost = max(_ZERO, -day.pnl(equity)) if day is not None and equity is not None else None
    return [
        _limit_row("daily_loss", dollars.daily_loss, lost),
        _limit_row("drawdown_pct", facts.limits.drawdown_limit_pct, state.pnl.drawdown_pct),
        _limit_row("gross_exposure", dollars.exposure, exposure),
        _limit_row("largest_position", dollars.position, largest),
        _limit_row(
            "open_positions",
            Decimal(facts.limits.open_positions_max),
            Decimal(len(state.positions)),
        ),
    ]


def _limit_row(name: str, limit: Decimal, used: Decimal | None) -> dict[str, object]:
    """A limit and its use; a use that nobody knows is no use of zero."""
    row: dict[str, object] = {"name": name, "limit": f"{limit:f}", "used": None, "used_pct": None}
    if used is not None:
        row["used"] = f"{used.quantize(Decimal('0.0001')).normalize():f}"
        row["used_pct"] = round(float(used / limit * 100), 2) if limit > 0 else None
    return row


def _feed_row(feed: FeedStatus, reading: ClockReading | None) -> dict[str, object]:
    age_s = None
    if reading is not None and feed.last_at is not None:
        age_s = round((reading.now - feed.last_at).total_seconds(), 3)
    return {"name": feed.feed, "state": feed.state, "reason": feed.reason, "age_s": age_s}


def _gate_row(line: GateLine) -> dict[str, object]:
    result = line.result
    return {
        "at": utc_text(line.at),
        "gate": result.gate,
        "symbol": result.symbol,
        "passed": result.passed,
        "detail": result.detail,
    }


def _strategy_row(row: StrategyRow) -> dict[str, object]:
    return {
        "name": row.name,
        "on": row.is_on,
        "reason": row.reason,
        "faults": row.strikes,
        "tried_on": row.tried_on,
    }


def _cause_row(line: CauseLine) -> dict[str, object]:
    return {"input": line.cause.value, "state": line.state.value, "reason": line.reason}
