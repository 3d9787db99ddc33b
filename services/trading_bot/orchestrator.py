"""Picks one signal: validates each, gives a symbol one owner, and says why the others lost.

Pure. The strategies' wishes go in, one `Choice` comes out; the guard still has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.models.orders import Side
from shared.models.signals import Signal


@dataclass(frozen=True, slots=True)
class Rules:
    """What a signal is judged by. Ages in market seconds."""

    now: datetime
    symbols: frozenset[str]
    """Symbols that may be traded."""
    owners: Mapping[str, str]
    """Busy symbols and who owns each: a strategy, `external`, or the reason it is closed."""
    reward_risk_min: Decimal
    signal_age_s_max: Decimal
    allow_short: bool = False


@dataclass(frozen=True, slots=True)
class Loser:
    """A signal that was not chosen, and why, in one sentence."""

    signal: Signal
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The outcome of one turn."""

    winner: Signal | None
    losers: tuple[Loser, ...]


def choose(signals: Sequence[Signal], rules: Rules) -> Choice:
    """Return the strongest valid signal and, for each other one, why it lost.

    Equal strength goes to the better reward/risk, then to the first by strategy and symbol, so
    that the order in which strategies speak never matters.
    """
    valid: list[Signal] = []
    losers: list[Loser] = []
    for signal in sorted(signals, key=lambda each: (each.strategy, each.symbol)):
        fault = fault_of(signal, rules)
        if fault is None:
            valid.append(signal)
        else:
            losers.append(Loser(signal, fault))
    if not valid:
        return Choice(None, tuple(losers))
    valid.sort(key=lambda each: (-each.strength, -each.reward_risk, each.strategy, each.symbol))
    winner = valid[0]
    for signal in valid[1:]:
        losers.append(
            Loser(
                signal,
                f"strength {signal.strength:.3f} behind {winner.strategy} {winner.symbol} "
                f"{winner.strength:.3f}",
            )
        )
    return Choice(winner, tuple(losers))


def fault_of(signal: Signal, rules: Rules) -> str | None:
    """Return why a signal may not be followed, or None when it may.

    That stop and target lie on the right sides is certain: no other Signal can be built.
    """
    if signal.symbol not in rules.symbols:
        return f"{signal.symbol} is not among the symbols traded"
    if signal.side is Side.SELL and not rules.allow_short:
        return "short entries are not allowed"
    owner = rules.owners.get(signal.symbol)
    if owner is not None:
        return f"{signal.symbol} is taken: {owner}"
    if signal.reward_risk < rules.reward_risk_min:
        return f"reward/risk {signal.reward_risk:.2f} below {rules.reward_risk_min}"
    age_s = (rules.now - signal.at).total_seconds()
    if age_s < 0:
        return f"signal lies {-age_s:.0f} s in the future"
    if age_s > float(rules.signal_age_s_max):
        return f"signal is {age_s:.0f} s old, at most {rules.signal_age_s_max}"
    return None
