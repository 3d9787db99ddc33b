"""What nobody has verified about the real broker: one named switch for each, in one frozen value.

The defaults are the better known or the kinder behaviour; a drill turns the other one on, on the
command line (`--switch NAME=VALUE`), in the environment, or while the exchange runs
(`PATCH /sim/switches`). Times are market seconds, but for `zombie_s`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

SWITCHES_VARIABLE = "SHT_EXCHANGE_SWITCHES"
"""Switches in the environment: `NAME=VALUE`, blanks between them."""
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")

_COUNT_DIGITS_MAX = 9


class SiblingEnd(StrEnum):
    """How the other exit of a group ends once one of them is filled."""

    CANCELED = "canceled"
    REPLACED = "replaced"
    """Shown as `replaced` by nothing."""
    SILENT = "silent"
    """Canceled, but no event says so."""


class SplitRule(StrEnum):
    """What a split does to a resting GTC order."""

    ADJUST = "adjust"
    """Price and quantity are converted, in a new order that replaces the old one."""
    CANCEL = "cancel"
    KEEP = "keep"
    """Left as it is, at the old price and quantity."""


class AssetFields(StrEnum):
    """The asset's fields before, during and after the change of 2026-09-22."""

    OLD = "old"
    BOTH = "both"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Switches:
    """The behaviours that may be switched while the exchange runs."""

    lookup_lag_s: float = 0.0
    """So long after its acceptance an order is 404 for look-ups and missing in lists."""
    cancel_lag_s: float = 0.0
    """Between the 204 and `canceled` at least so long, as `pending_cancel`."""
    replace_lag_s: float = 0.0
    """Between the PATCH and `replaced` at least so long, as `pending_replace`."""
    stuck_cancels: bool = False
    """Cancellations stay `pending_cancel` until this is off again (alpaca-py #400)."""
    sibling_end: SiblingEnd = SiblingEnd.CANCELED
    """How the exit beside a filled one ends."""
    both_exits_rate: float = 0.0
    """Chance that both exits of a group fill, which Alpaca's documents warn of."""
    partial_fill_rate: float = 0.0
    """Chance that only a random part fills at a time; the paper engine's documents say 0.1."""
    over_close: bool = False
    """A sell of more than is held closes the position and opens a short, instead of 403."""
    buy_stop_shown_as_limit: bool = False
    """A buy stop shows the stop-limit that it is turned into."""
    gtc_extended_hours: bool = True
    """GTC limits may have extended hours (specification of May 2026), not only DAY ones."""
    positions_lag_s: float = 0.0
    """So long positions stay behind the fills of the orders."""
    activities_lag_s: float = 0.0
    """So long after its fill an activity is missing in the list."""
    day_trade_fields: bool = False
    """The account shows the fields of the day-trader rule that left on 2026-07-06."""
    single_order_unnested: bool = False
    """`nested=false` leaves the legs of a single order out (the specification); by a maintainer
    it was never obeyed (alpaca-trade-api-go PR 208).
    """
    asset_fields: AssetFields = AssetFields.BOTH
    """Which of the asset's fields of borrowing and margin are shown."""
    own_stream_ids: bool = False
    """The stream's execution ids differ from those of the activities."""
    split_forward: SplitRule = SplitRule.ADJUST
    """Single limit and stop orders at a forward split."""
    split_reverse: SplitRule = SplitRule.CANCEL
    """Single limit and stop orders at a reverse split."""
    split_trailing: SplitRule = SplitRule.CANCEL
    """Trailing stops at any split: "cancel or adjust upon its own discretion"."""
    split_groups: SplitRule = SplitRule.KEEP
    """Orders of a bracket, OCO or OTO at any split: sent as do-not-reduce, do-not-cancel."""
    trading_streams_max: int = 0
    """Connections of one pair of keys to the trading stream, 0 for no limit; one more is 406."""
    zombie_s: float = 90.0
    """Real seconds for which such a connection still counts after it ended without a close."""
    not_fractionable: frozenset[str] = frozenset()
    """Symbols of which no fractions trade."""
    halted: frozenset[str] = frozenset()
    """Symbols in which nothing trades: orders are taken and rest."""


def switched(switches: Switches, settings: Iterable[str]) -> Switches:
    """Return the switches after settings `NAME=VALUE`.

    Raises ValueError naming the switch, the value and what may be written.
    """
    known = {item.name: getattr(Switches(), item.name) for item in fields(Switches)}
    changed: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in known:
            raise ValueError(f"switch {setting!r}: write NAME=VALUE, NAME one of {sorted(known)}")
        changed[name] = _value(name, text.strip(), known[name])
    return replace(switches, **changed)


def _value(name: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        if text.lower() not in _YES + _NO:
            raise ValueError(f"switch {name}={text!r}: write true or false")
        return text.lower() in _YES
    if isinstance(default, StrEnum):
        words = [word.value for word in type(default)]
        if text.lower() not in words:
            raise ValueError(f"switch {name}={text!r}: write one of {words}")
        return type(default)(text.lower())
    if isinstance(default, frozenset):
        return frozenset(word.strip().upper() for word in text.split(",") if word.strip())
    return _count(name, text) if isinstance(default, int) else _number(name, text)


def _count(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _COUNT_DIGITS_MAX):
        raise ValueError(f"switch {name}={text!r}: write a whole number from 0 on")
    return int(text)


def _number(name: str, text: str) -> float:
    is_chance = name.endswith("_rate")
    most, words = (1.0, "a chance from 0 to 1") if is_chance else (1e9, "seconds from 0 on")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise ValueError(f"switch {name}={text!r}: write {words}")
    return value
