"""Judges what a strategy answered, before anybody follows it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from services.trading_bot.brain.port import StrategySheet
from shared.models.orders import Side
from shared.models.signals import Signal
from shared.ports import MarketSnapshot

REASON_CHARACTERS_MAX = 500
PRICE_MAX = Decimal(10) ** 9


class Junk(Exception):
    """An answer that nobody may follow; the message says why."""


def checked_signals(
    answer: object, sheet: StrategySheet, snapshot: MarketSnapshot
) -> tuple[Signal, ...]:
    """Return the signals of a sound answer; raises Junk. One bad signal spoils the answer."""
    if not isinstance(answer, list | tuple):
        raise Junk(f"answers with {type(answer).__name__}, not with a list of signals")
    if len(answer) > len(snapshot.buffers):
        raise Junk(f"gives {len(answer)} signals for {len(snapshot.buffers)} symbols")
    signals = tuple(_checked(each, sheet, snapshot) for each in answer)
    symbols = [signal.symbol for signal in signals]
    if len(set(symbols)) < len(symbols):
        raise Junk("gives one symbol two signals at once")
    return signals


def checked_reason(answer: object) -> str | None:
    """Return the reason to leave of a sound answer; raises Junk."""
    if answer is None:
        return None
    if type(answer) is not str or not answer.strip():
        raise Junk(f"answers exit_reason with {type(answer).__name__}, not with words or None")
    return answer[:REASON_CHARACTERS_MAX]


def _checked(signal: object, sheet: StrategySheet, snapshot: MarketSnapshot) -> Signal:
    if type(signal) is not Signal:
        raise Junk(f"answers with {type(signal).__name__} where a Signal is due")
    try:
        # Built anew: a value made past its own checks is caught here.
        whole = replace(signal)
        fault = next((words for words, is_so in _FAULTS if is_so(whole, sheet, snapshot)), None)
    except (ArithmeticError, AttributeError, TypeError, ValueError) as failure:
        raise Junk(f"gives a signal that is none: {failure}") from None
    if fault is not None:
        raise Junk(f"{fault}: {whole!r}"[:REASON_CHARACTERS_MAX])
    return whole


def _is_mistyped(signal: Signal, *_: object) -> bool:
    words = (signal.strategy, signal.symbol, signal.reason)
    prices = (signal.entry_price, signal.stop_price, signal.target_price)
    # Exactly these: an heir may do anything when others compare it or calculate with it.
    return (
        type(signal.side) is not Side
        or type(signal.at) is not datetime
        or type(signal.strength) not in (float, int)
        or any(type(word) is not str for word in words)
        or any(type(price) is not Decimal for price in prices)
    )


def _is_of_another(signal: Signal, sheet: StrategySheet, _: MarketSnapshot) -> bool:
    return signal.strategy != sheet.name


def _is_unseen(signal: Signal, _: StrategySheet, snapshot: MarketSnapshot) -> bool:
    return signal.symbol not in snapshot.buffers


def _is_from_tomorrow(signal: Signal, _: StrategySheet, snapshot: MarketSnapshot) -> bool:
    return signal.at > snapshot.now


def _is_poor(signal: Signal, sheet: StrategySheet, _: MarketSnapshot) -> bool:
    return signal.reward_risk < sheet.reward_risk


def _is_beyond_reason(signal: Signal, *_: object) -> bool:
    prices = (signal.entry_price, signal.stop_price, signal.target_price)
    return max(prices) > PRICE_MAX or len(signal.reason) > REASON_CHARACTERS_MAX


_FAULTS: tuple[tuple[str, Callable[[Signal, StrategySheet, MarketSnapshot], bool]], ...] = (
    ("gives words or numbers of a wrong kind", _is_mistyped),
    ("speaks in another strategy's name", _is_of_another),
    ("speaks of a symbol that it was not shown", _is_unseen),
    ("dates a signal into the future", _is_from_tomorrow),
    ("sets less reward/risk than its sheet says", _is_poor),
    ("gives prices or words beyond all reason", _is_beyond_reason),
)
