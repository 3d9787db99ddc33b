"""Who may speak: every strategy found, judged, tried on our own bars, and put under guard."""

from __future__ import annotations

from collections.abc import Sequence

from services.trading_bot.brain.containment import contained
from services.trading_bot.brain.discovery import Found, find_strategies
from services.trading_bot.brain.port import ExitingStrategy
from services.trading_bot.brain.trial import fault_at_trial
from services.trading_bot.brain.ward import Absent, Ward
from shared.errors import ConfigFault
from shared.models.limits import Limits


def make_strategies(words: Sequence[str], limits: Limits) -> tuple[ExitingStrategy, ...]:
    """Return the strategies that STRATEGIES names, all of our own without any. One that cannot be
    loaded or fails its trial is there, switched off; the others go on.

    Raises ConfigFault for names that nobody has, and for targets that never reach
    MIN_REWARD_RISK: such a strategy would never trade.
    """
    found = find_strategies(words)
    _judge_targets(found, limits)
    return tuple(_placed(one, limits) for one in found)


def needs_flow(strategies: Sequence[object]) -> bool:
    """Whether any strategy that may speak reads option flow."""
    return any(isinstance(each, Ward) and each.sheet.needs_flow for each in strategies)


def _judge_targets(found: Sequence[Found], limits: Limits) -> None:
    short = [
        f"{one.name} sets {one.sheet.reward_risk}"
        for one in found
        if one.sheet is not None and one.sheet.reward_risk < limits.reward_risk_min
    ]
    if short:
        raise ConfigFault(
            f"MIN_REWARD_RISK={limits.reward_risk_min}: is never reached: {', '.join(short)} as "
            "reward/risk, so it would never trade. Lower it to that, or take the strategy out of "
            "STRATEGIES"
        )


def _placed(one: Found, limits: Limits) -> ExitingStrategy:
    sheet = one.sheet
    if sheet is None:
        return Absent(one.name, one.fault)
    fault = fault_at_trial(sheet, limits)
    if fault is not None:
        return Absent(one.name, fault)
    made = contained(lambda: sheet.make(limits))
    if made.answer is None:
        return Absent(one.name, f"cannot be made: {made.fault}")
    return Ward(sheet, made.answer, is_foreign=one.is_foreign)
