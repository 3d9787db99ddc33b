"""PATCH /v2/account/configurations: what a body changes, or the refusal that names its fault.

Pure. Fields that this exchange does not know are ignored, as Alpaca does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.exchange_sim.ticket import bad_form

_FLAGS = (
    "suspend_trade",
    "no_shorting",
    "fractional_trading",
    "ptp_no_exception_entry",
    "disable_overnight_trading",
)
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_WORDS = {
    "max_margin_multiplier": ("1", "2", "4"),
    "trade_confirm_email": ("all", "none"),
}
_OPTION_LEVELS = ("0", "1", "2", "3")


def read_changes(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Configuration that a body changes; raises Refusal."""
    changes: dict[str, Any] = {name: _flag(name, body[name]) for name in _FLAGS if name in body}
    for name, words in _WORDS.items():
        if name in body:
            changes[name] = _word(name, body[name], words)
    if "max_margin_multiplier" in changes:
        changes["max_margin_multiplier"] = int(changes["max_margin_multiplier"])
    if "max_options_trading_level" in body:
        level = body["max_options_trading_level"]
        changes["max_options_trading_level"] = (
            None
            if level is None
            else int(_word("max_options_trading_level", level, _OPTION_LEVELS))
        )
    return changes


def _flag(name: str, value: object) -> bool:
    text = str(value).lower()
    if text not in _YES + _NO:
        raise bad_form(f"{name} must be true or false, not {str(value)[:40]!r}")
    return text in _YES


def _word(name: str, value: object, words: tuple[str, ...]) -> str:
    text = str(value).lower()
    if text not in words:
        raise bad_form(f"{name} must be one of {', '.join(words)}, not {str(value)[:40]!r}")
    return text
