"""The trial of a strategy before it may speak: asked about bars of our own making, and about such
as were recorded here, twice each, and judged each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from services.trading_bot.brain.answers import Junk, checked_reason, checked_signals
from services.trading_bot.brain.containment import contained
from services.trading_bot.brain.port import StrategySheet
from services.trading_bot.brain.recorded import RecordedMoment
from services.trading_bot.brain.trial_market import TRIAL_MOMENTS, Moment
from shared.models.exits import ExitRules
from shared.models.limits import Limits
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView, Strategy

Answer = tuple[tuple[Signal, ...], str | None]
TrialMoment = Moment | RecordedMoment
Content = tuple[object, ...]
Question = tuple[TrialMoment, Content]
"""A moment, and what it shows as nobody has touched it."""


def fault_at_trial(
    sheet: StrategySheet, limits: Limits, recorded: Sequence[RecordedMoment] = ()
) -> str | None:
    """Return why this strategy must not trade, None when it stood the trial."""
    fault = _fault(sheet, limits, _made_up())
    if fault is not None:
        return f"fails its trial{fault}"
    fault = _fault(sheet, limits, _questions(recorded)) if recorded else None
    return f"fails its trial on recorded bars{fault}" if fault is not None else None


@lru_cache(maxsize=1)
def _made_up() -> Sequence[Question]:
    return _questions(TRIAL_MOMENTS)


def _questions(moments: Sequence[TrialMoment]) -> Sequence[Question]:
    return [(moment, _content(moment.snapshot(), moment.portfolio())) for moment in moments]


def _fault(sheet: StrategySheet, limits: Limits, questions: Sequence[Question]) -> str | None:
    """Ask one maker's two strategies the same questions, the second in the opposite order: what is
    remembered between two questions, or drawn by lot, shows as another answer.
    """
    first = contained(lambda: _answers(made_of(sheet, limits), sheet, questions))
    if first.fault or first.answer is None:
        return f": {first.fault}"
    again = contained(lambda: _answers(made_of(sheet, limits), sheet, questions[::-1]))
    if again.fault or again.answer is None:
        return f" when asked again: {again.fault}"
    if first.answer != again.answer[::-1]:
        return ": it answers the same question in two ways"
    return None


def made_of(sheet: StrategySheet, limits: Limits) -> Strategy:
    """Return the strategy that the sheet makes. Raises Junk, and whatever its maker raises."""
    strategy = sheet.make(limits)
    if getattr(strategy, "name", None) != sheet.name:
        raise Junk(f"calls itself {getattr(strategy, 'name', None)!r}, its sheet {sheet.name!r}")
    if type(getattr(strategy, "exit_rules", ExitRules())) is not ExitRules:
        raise Junk("carries exit_rules that are no ExitRules")
    return strategy


def _answers(
    strategy: Strategy, sheet: StrategySheet, questions: Sequence[Question]
) -> list[Answer]:
    return [_answer(strategy, sheet, question) for question in questions]


def _answer(strategy: Strategy, sheet: StrategySheet, question: Question) -> Answer:
    moment, content = question
    snapshot, portfolio = moment.snapshot(), moment.portfolio()
    signals = checked_signals(strategy.decide(snapshot, portfolio), sheet, snapshot)
    taken = [signal.symbol for signal in signals if signal.symbol in portfolio.busy_symbols]
    if taken:
        raise Junk(f"wants {', '.join(taken)}, which somebody owns")
    own = getattr(strategy, "exit_reason", None)
    reason = None
    if own is not None:
        held = moment.position()
        reason = checked_reason(own(held, snapshot.buffers[held.symbol], moment.now))
    if _content(snapshot, portfolio) != content:
        raise Junk("changes what it is shown")
    return signals, reason


def _content(snapshot: MarketSnapshot, portfolio: PortfolioView) -> Content:
    return (
        {symbol: tuple(buffer) for symbol, buffer in snapshot.buffers.items()},
        dict(snapshot.quotes),
        dict(snapshot.flow.alerts),
        dict(snapshot.flow.prints),
        dict(portfolio.positions),
        portfolio,
    )
