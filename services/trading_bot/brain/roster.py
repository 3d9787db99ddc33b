"""Who may speak: every strategy found, judged, tried on bars, and put under guard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from services.trading_bot.brain.black_box import BlackBox
from services.trading_bot.brain.containment import contained
from services.trading_bot.brain.discovery import Found, find_strategies
from services.trading_bot.brain.port import ExitingStrategy
from services.trading_bot.brain.recorded import RecordedMoment
from services.trading_bot.brain.trial import fault_at_trial, made_of
from services.trading_bot.brain.ward import Absent, Ward
from shared.errors import ConfigFault
from shared.models.limits import Limits


def make_strategies(
    words: Sequence[str],
    limits: Limits,
    box: BlackBox | None = None,
    recorded: Sequence[RecordedMoment] = (),
) -> tuple[ExitingStrategy, ...]:
    """Return the strategies that STRATEGIES names, all of our own without any. One that cannot be
    loaded, fails its trial or ended earlier processes is there, switched off; the others go on.

    Raises ConfigFault for names that nobody has, and for targets that never reach
    MIN_REWARD_RISK: such a strategy would never trade.
    """
    told = box or BlackBox()
    found = find_strategies(words, told)
    _judge_targets(found, limits)
    place = partial(_placed, limits=limits, box=told, recorded=recorded)
    return tuple(place(one) for one in found)


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


def _placed(
    one: Found, limits: Limits, box: BlackBox, recorded: Sequence[RecordedMoment]
) -> ExitingStrategy:
    sheet = one.sheet
    if sheet is None:
        return Absent(one.name, one.fault)
    with box.speaking(one.name):
        fault = fault_at_trial(sheet, limits, recorded)
        if fault is not None:
            return Absent(one.name, fault)
        ward = partial(Ward, sheet, is_foreign=one.is_foreign, box=box, tried_on=_told(recorded))
        placed = contained(lambda: ward(made_of(sheet, limits)))
    return placed.answer or Absent(one.name, f"cannot be made: {placed.fault}")


def _told(recorded: Sequence[RecordedMoment]) -> str:
    if not recorded:
        return "made-up bars, none were recorded yet"
    return f"made-up bars, and recorded ones of {', '.join(sorted(recorded[-1].candles))}"
