"""Alpaca's shape of an asset, and which assets a list holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from services.exchange_sim.naming import asset_id
from services.exchange_sim.switches import AssetFields, Switches
from services.exchange_sim.wire import Document

_ETFS = frozenset(
    {"SPY", "QQQ", "IWM", "EEM", "GLD", "SLV", "VOO", "VXXB", "XLP", "TZA", "SHY", "PPLT", "UGA"}
)
_MARGIN_PERCENT = 30
_CLASS = "us_equity"
_STATUS = "active"
_OLD: Document = {
    "easy_to_borrow": True,
    "maintenance_margin_requirement": _MARGIN_PERCENT,
}
_NEW: Document = {
    "borrow_status": "easy_to_borrow",
    "margin_requirement_long": str(_MARGIN_PERCENT),
    "margin_requirement_short": str(_MARGIN_PERCENT),
}


@dataclass(frozen=True, slots=True)
class AssetQuery:
    """GET /v2/assets; empty words ask for everything."""

    status: str = ""
    asset_class: str = ""
    exchange: str = ""
    attributes: frozenset[str] = frozenset()
    """An asset with any of them is listed."""


def exchange_of(symbol: str) -> str:
    """Return where the symbol is listed, near enough for a simulation."""
    return "ARCA" if symbol in _ETFS else "NASDAQ"


def _attributes(symbol: str, switches: Switches) -> list[str]:
    return [] if symbol in switches.not_fractionable else ["fractional_eh_enabled"]


def asset_document(symbol: str, switches: Switches) -> Document:
    """Return one asset; a switch says which fields of borrowing and margin it shows."""
    document: Document = {
        "id": asset_id(symbol),
        "class": _CLASS,
        "exchange": exchange_of(symbol),
        "symbol": symbol,
        "name": f"{symbol} (simulated)",
        "status": _STATUS,
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "fractionable": symbol not in switches.not_fractionable,
        "attributes": _attributes(symbol, switches),
    }
    if switches.asset_fields is not AssetFields.NEW:
        document |= _OLD
    if switches.asset_fields is not AssetFields.OLD:
        document |= _NEW
    return document


def is_listed(symbol: str, query: AssetQuery, switches: Switches) -> bool:
    """Whether a list holds the asset."""
    return (
        query.status in ("", _STATUS, "all")
        and query.asset_class in ("", _CLASS)
        and query.exchange in ("", exchange_of(symbol))
        and (not query.attributes or bool(query.attributes & set(_attributes(symbol, switches))))
    )
