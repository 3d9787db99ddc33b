"""Pure: what the bot tells of shares in the account that are not its own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any

from services.heartbeat.rows import rows

_LIST = "external_positions"


def is_told(bot: Mapping[str, Any] | None) -> bool:
    """Whether the bot's numbers say at all what is held beside its own."""
    return bot is not None and isinstance(bot.get(_LIST), list)


def held(bot: Mapping[str, Any]) -> dict[str, str]:
    """Return each symbol of which shares are held that are not ours, with its words."""
    return {
        str(row["symbol"]): _words(row)
        for row in rows(bot, _LIST)
        if isinstance(row.get("symbol"), str)
    }


def bare(bot: Mapping[str, Any] | None) -> list[str]:
    """Return the symbols of which fewer whole shares have a stop than are held."""
    return sorted(
        str(row.get("symbol"))
        for row in rows(bot or {}, _LIST)
        if _whole(row.get("protected_qty")) < _whole(row.get("qty"))
    )


def _words(row: Mapping[str, Any]) -> str:
    value, stop = row.get("market_value"), row.get("stop_price")
    worth = "" if value is None else f", worth {value}"
    return f"{row.get('qty')}{worth}, {row.get('protected_qty')} of them with a stop" + (
        "" if stop is None else f" (ours at {stop})"
    )


def _whole(value: object) -> Decimal:
    """The whole shares of an amount; zero of what is none, so that it never looks protected."""
    try:
        amount = abs(Decimal(str(value)))
    except InvalidOperation:
        return Decimal(0)
    return amount.to_integral_value(ROUND_DOWN) if amount.is_finite() else Decimal(0)
