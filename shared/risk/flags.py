"""The yes-or-no checks of an entry, compared all at once: each names a fact and what it must be.

An absent fact equals nothing that is wanted, so it denies like a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from shared.models.trading_state import TradingState
from shared.risk.approved import CheckRow
from shared.risk.case import ASSET_CLASS
from shared.risk.facts import GuardFacts

FLAGS: tuple[tuple[str, str, object], ...] = (
    ("emergency_stop", "emergency_stop", False),
    ("trading_state", "trading_state", TradingState.ACTIVE),
    ("session", "is_open", True),
    ("unknown_outcome", "unknown_outcomes", 0),
    ("stream", "stream_listening", True),
    ("store", "store_writable", True),
    ("account_flags", "account_may_trade", True),
    ("mode", "mode_matches", True),
    ("account", "account_matches", True),
    ("asset_class", "asset_class", ASSET_CLASS),
    ("tradable", "tradable", True),
    ("owner", "owner", ""),
    ("naked_elsewhere", "uncovered_symbols", 0),
    ("wash", "opposite_orders", 0),
    ("duplicate", "known_id", False),
    ("twin", "twin_orders", 0),
)
"""(code, field of GuardFacts, the only value that lets an entry pass)."""

_ACTIVE = TradingState.ACTIVE
_read: Callable[[GuardFacts], tuple[Any, ...]] = attrgetter(*(field for _, field, _ in FLAGS))

ALL_PASSED: tuple[CheckRow, ...] = tuple((code, True, wanted, wanted) for code, _, wanted in FLAGS)


def flag_rows(facts: GuardFacts) -> tuple[CheckRow, ...]:
    """Return one row of the trace per flag; ALL_PASSED itself when all are as wanted."""
    # The table once more, written out: compared this way it costs half. Tests try every flag.
    if (
        facts.emergency_stop is False
        and facts.trading_state is _ACTIVE
        and facts.is_open is True
        and facts.unknown_outcomes == 0
        and facts.stream_listening is True
        and facts.store_writable is True
        and facts.account_may_trade is True
        and facts.mode_matches is True
        and facts.account_matches is True
        and facts.asset_class == ASSET_CLASS
        and facts.tradable is True
        and facts.owner == ""
        and facts.uncovered_symbols == 0
        and facts.opposite_orders == 0
        and facts.known_id is False
        and facts.twin_orders == 0
    ):
        return ALL_PASSED
    return tuple(
        (code, value == wanted and type(value) is type(wanted), wanted, value)
        for (code, _, wanted), value in zip(FLAGS, _read(facts), strict=True)
    )
