"""Which strategies exist, by the names that STRATEGIES may list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.trading_bot.strategies.momentum import Momentum, MomentumParameters
from shared.errors import ConfigFault
from shared.models.limits import Limits
from shared.models.market import CandleBuffer
from shared.models.portfolio import Position
from shared.ports import Strategy


class ExitingStrategy(Strategy, Protocol):
    """A strategy that also says when a position of its own should be left."""

    def exit_reason(self, position: Position, buffer: CandleBuffer, now: datetime) -> str | None:
        """Return why to leave now, or None to keep the position."""


def _momentum(limits: Limits) -> ExitingStrategy:
    return Momentum(MomentumParameters(stop_atr_multiple=float(limits.stop_atr_multiple)))


MAKERS: Mapping[str, Callable[[Limits], ExitingStrategy]] = {Momentum.name: _momentum}


def make_strategies(names: Sequence[str], limits: Limits) -> tuple[ExitingStrategy, ...]:
    """Return the named strategies, all of them when no name is given.

    Raises ConfigFault naming every unknown strategy.
    """
    unknown = sorted(set(names) - set(MAKERS))
    if unknown:
        known = ", ".join(sorted(MAKERS))
        raise ConfigFault(f"STRATEGIES names unknown {', '.join(unknown)}; there are: {known}")
    return tuple(MAKERS[name](limits) for name in sorted(set(names) or set(MAKERS)))
