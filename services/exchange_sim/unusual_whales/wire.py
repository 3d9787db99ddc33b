"""Unusual Whales' shapes: money as strings over REST, as numbers over the socket. Pure.

The socket names some fields otherwise (`rule_name` for `alert_rule`), and live replies carry more
than the specification; both are kept apart here on purpose. Sources: the vendor's OpenAPI of 2025
and 2026, and recorded samples of both transports.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from services.exchange_sim.naming import seeded_uuid
from services.exchange_sim.stamps import unix_us
from services.exchange_sim.unusual_whales.contracts import CONTRACT_SHARES
from services.exchange_sim.unusual_whales.flow import (
    DarkPrint,
    FlowAlert,
)
from services.exchange_sim.wire import Document

FUNDS = frozenset({"SPY", "QQQ", "IWM", "DIA"})


class StampForm(StrEnum):
    """The two forms of a moment: what live replies show, and what the specification shows."""

    LIVE = "live"
    SPEC = "spec"


def stamp(moment: datetime, form: StampForm) -> str:
    """Write a moment: `2025-10-22T20:27:01.354429Z` or `2023-12-12 16:35:52.168490+00:00`."""
    utc = moment.astimezone(UTC)
    if form is StampForm.SPEC:
        return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond:06d}+00:00"
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}Z"


def plain(amount: Decimal) -> str:
    """Write money without needless zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _milliseconds(moment: datetime) -> int:
    return unix_us(moment) // 1_000


def _ratio(alert: FlowAlert) -> float:
    return alert.volume / alert.open_interest


def _quoted(alert: FlowAlert) -> tuple[str, str]:
    tick = Decimal("0.01")
    return plain(max(tick, alert.price - tick)), plain(alert.price + tick)


def alert_document(alert: FlowAlert, form: StampForm) -> Document:
    """Return a flow alert as REST gives it, the undocumented live fields included."""
    contract = alert.contract
    bid, ask = _quoted(alert)
    return {
        "id": alert.id,
        "rule_id": alert.rule_id,
        "alert_rule": alert.rule,
        "ticker": contract.ticker,
        "option_chain": contract.symbol,
        "type": contract.kind,
        "strike": plain(contract.strike),
        "expiry": contract.expiry.isoformat(),
        "created_at": stamp(alert.created_at, form),
        "start_time": _milliseconds(alert.started_at),
        "end_time": _milliseconds(alert.created_at),
        "price": plain(alert.price),
        "bid": bid,
        "ask": ask,
        "underlying_price": plain(alert.underlying_price),
        "total_size": alert.size,
        "total_premium": plain(alert.premium),
        "total_ask_side_prem": plain(alert.ask_premium),
        "total_bid_side_prem": plain(alert.premium - alert.ask_premium),
        "trade_count": alert.trade_count,
        "expiry_count": 1,
        "volume": alert.volume,
        "open_interest": alert.open_interest,
        "volume_oi_ratio": f"{_ratio(alert):.14g}",
        "iv_start": f"{alert.volatility:.15g}",
        "iv_end": f"{alert.volatility:.15g}",
        "has_sweep": alert.has_sweep,
        "has_floor": alert.has_floor,
        "has_multileg": alert.has_multileg,
        "has_singleleg": not alert.has_multileg,
        "all_opening_trades": alert.volume > alert.open_interest,
        "issue_type": "ETF" if contract.ticker in FUNDS else "Common Stock",
        "sector": None,
        "marketcap": None,
        "er_time": None,
        "next_earnings_date": None,
    }


def alert_message(alert: FlowAlert) -> Document:
    """Return a flow alert as the socket tells it: numbers, milliseconds, other names."""
    contract = alert.contract
    bid, ask = _quoted(alert)
    return {
        "id": alert.id,
        "rule_id": alert.rule_id,
        "rule_name": alert.rule,
        "ticker": contract.ticker,
        "option_chain": contract.symbol,
        "underlying_price": float(alert.underlying_price),
        "price": float(alert.price),
        "bid": bid,
        "ask": ask,
        "volume": alert.volume,
        "total_size": alert.size,
        "total_premium": float(alert.premium),
        "total_ask_side_prem": float(alert.ask_premium),
        "total_bid_side_prem": float(alert.premium - alert.ask_premium),
        "start_time": _milliseconds(alert.started_at),
        "end_time": _milliseconds(alert.created_at),
        "executed_at": _milliseconds(alert.created_at),
        "url": "",
        "open_interest": alert.open_interest,
        "volume_oi_ratio": _ratio(alert),
        "trade_ids": trade_ids(alert),
        "trade_count": alert.trade_count,
        "expiry_count": 1,
        "ask_vol": alert.at_ask,
        "bid_vol": alert.size - alert.at_ask,
        "mid_vol": 0,
        "no_side_vol": 0,
        "multi_vol": alert.size if alert.has_multileg else 0,
        "stock_multi_vol": 0,
        "has_sweep": alert.has_sweep,
        "has_floor": alert.has_floor,
        "has_multileg": alert.has_multileg,
        "has_singleleg": not alert.has_multileg,
        "all_opening_trades": alert.volume > alert.open_interest,
        "upstream_condition_details": ["isoi"] if alert.has_sweep else ["auto"],
        "exchanges": list(alert.exchanges),
    }


def trade_ids(alert: FlowAlert) -> list[str]:
    """Return the ids of the trades that an alert is made of."""
    return [seeded_uuid(alert.id, number) for number in range(alert.trade_count)]


def trade_documents(alert: FlowAlert, form: StampForm) -> list[Document]:
    """Return the trades of an alert, newest first, as `flow-recent` lists them; their sizes add
    up to the alert's.
    """
    contract, count = alert.contract, alert.trade_count
    spell = alert.created_at - alert.started_at
    bid, ask = _quoted(alert)
    documents: list[Document] = []
    for number, identity in enumerate(trade_ids(alert)):
        size = alert.size * (number + 1) // count - alert.size * number // count
        at_ask = number * alert.size < alert.at_ask * count
        documents.append(
            {
                "id": identity,
                "flow_alert_id": alert.id,
                "rule_id": alert.rule_id,
                "underlying_symbol": contract.ticker,
                "option_chain_id": contract.symbol,
                "option_type": contract.kind,
                "strike": plain(contract.strike),
                "expiry": contract.expiry.isoformat(),
                "executed_at": stamp(alert.started_at + spell * (number + 1) / count, form),
                "price": plain(alert.price),
                "nbbo_bid": bid,
                "nbbo_ask": ask,
                "size": size,
                "premium": plain(size * CONTRACT_SHARES * alert.price),
                "underlying_price": plain(alert.underlying_price),
                "implied_volatility": f"{alert.volatility:.15g}",
                "open_interest": alert.open_interest,
                "volume": alert.volume,
                "exchange": alert.exchanges[number % len(alert.exchanges)],
                "tags": ["ask_side" if at_ask else "bid_side"],
                "report_flags": ["intermarket_sweep"] if alert.has_sweep else [],
                "canceled": False,
            }
        )
    return documents[::-1]


def print_document(print_: DarkPrint, day_volume: int) -> Document:
    """Return a dark pool print; its moment has whole seconds, live and in the specification."""
    return {
        "tracking_id": print_.tracking_id,
        "ticker": print_.ticker,
        "executed_at": f"{print_.executed_at:%Y-%m-%dT%H:%M:%SZ}",
        "price": plain(print_.price),
        "size": print_.size,
        "premium": plain(print_.price * print_.size),
        "volume": day_volume,
        "nbbo_bid": plain(print_.bid),
        "nbbo_ask": plain(print_.ask),
        "nbbo_bid_quantity": 100,
        "nbbo_ask_quantity": 100,
        "market_center": print_.market_center,
        "canceled": print_.canceled,
        "sale_cond_codes": None,
        "ext_hour_sold_codes": None,
        "trade_code": None,
        "trade_settlement": "regular",
    }
