"""The trial of a strategy before it may speak: asked on our own bars, twice, judged each time."""

from __future__ import annotations

from collections.abc import Sequence

from services.trading_bot.brain.answers import Junk, checked_reason, checked_signals
from services.trading_bot.brain.containment import contained
from services.trading_bot.brain.port import StrategySheet
from services.trading_bot.brain.trial_market import TRIAL_MOMENTS, Moment
from shared.models.exits import ExitRules
from shared.models.limits import Limits
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView, Strategy

Answer = tuple[tuple[Signal, ...], str | None]


def fault_at_trial(sheet: StrategySheet, limits: Limits) -> str | None:
    """Return why this strategy must not trade, None when it stood the trial.

    One maker's two strategies are asked the same questions, the second in the opposite order:
    what is remembered between two questions, or drawn by lot, shows as another answer.
    """
    first = contained(lambda: _answers(_made(sheet, limits), sheet, TRIAL_MOMENTS))
    if first.fault or first.answer is None:
        return f"fails its trial: {first.fault}"
    again = contained(lambda: _answers(_made(sheet, limits), sheet, TRIAL_MOMENTS[::-1]))
    if again.fault or again.answer is None:
        return f"fails its trial when asked again: {again.fault}"
    if first.answer != again.answer[::-1]:
        return "fails its trial: it answers the same question in two ways"
    return None


def _made(sheet: StrategySheet, limits: Limits) -> Strategy:
    strategy = sheet.make(limits)
    if getattr(strategy, "name", None) != sheet.name:
        raise Junk(f"calls itself {getattr(strategy, 'name', None)!r}, its sheet {sheet.name!r}")
    if not isinstance(getattr(strategy, "exit_rules", ExitRules()), ExitRules):
        raise Junk("carries exit_rules that are no ExitRules")
    return strategy


def _answers(strategy: Strategy, sheet: StrategySheet, moments: Sequence[Moment]) -> list[Answer]:
    return [_answer(strategy, sheet, moment) for moment in moments]


def _answer(strategy: Strategy, sheet: StrategySheet, moment: Moment) -> Answer:
    snapshot, portfolio = moment.snapshot(), moment.portfolio()
    signals = checked_signals(strategy.decide(snapshot, portfolio), sheet, snapshot)
    taken = [signal.symbol for signal in signals if signal.symbol in portfolio.busy_symbols]
    if taken:
        raise Junk(f"wants {', '.join(taken)}, which somebody owns")
    own = getattr(strategy, "exit_reason", None)
    reason = None
    if own is not None:
        buffer = snapshot.buffers["SWING"]
        reason = checked_reason(own(moment.position(), buffer, moment.now))
    if _content(snapshot, portfolio) != _content(moment.snapshot(), moment.portfolio()):
        raise Junk("changes what it is shown")
    return signals, reason


def _content(snapshot: MarketSnapshot, portfolio: PortfolioView) -> tuple[object, ...]:
    return (
        {symbol: tuple(buffer) for symbol, buffer in snapshot.buffers.items()},
        dict(snapshot.quotes),
        dict(snapshot.flow.alerts),
        dict(snapshot.flow.prints),
        dict(portfolio.positions),
        portfolio,
    )
