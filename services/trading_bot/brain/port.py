"""What a strategy's file says of itself: the sheet beside its code.

A strategy is one file. It holds `REWARD_RISK = Decimal("...")`, which the settings read without
running the file, and `STRATEGY = StrategySheet(...)`, which the bot runs it by. The file's name
is the strategy's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Protocol, get_args, get_origin, get_type_hints

from services.trading_bot.brain.regime import Regime
from shared.models.limits import Limits
from shared.models.market import CandleBuffer
from shared.models.portfolio import Position
from shared.ports import Strategy


class ExitingStrategy(Strategy, Protocol):
    """A strategy that also says when a position of its own should be left."""

    def exit_reason(self, position: Position, buffer: CandleBuffer, now: datetime) -> str | None:
        """Return why to leave now, or None to keep the position."""


@dataclass(frozen=True, slots=True)
class StrategySheet:
    """What must be known of a strategy beside its code. ValueError for a sheet that cannot be."""

    name: str
    reward_risk: Decimal
    """Least distance of its targets, in distances of its stops."""
    make: Callable[[Limits], Strategy]
    """Builds it from the limits that the settings name, STOP_ATR_MULTIPLE among them. It may also
    have `exit_reason` (ExitingStrategy) and carry `exit_rules` (shared/models/exits.py).
    """
    parameters: type | None = None
    """A dataclass of numbers, each `Annotated` with a sentence that says what it means."""
    needs_flow: bool = False
    """Whether it reads option flow; without flow it is asked all the same."""
    unsuited: frozenset[Regime] = frozenset()
    """Regimes in which the gates let no entry of it pass."""
    close_minutes_min: float = 0.0
    """It enters nothing when the session ends sooner than in so many minutes."""

    def __post_init__(self) -> None:
        # Exactly these: an heir may do anything when others compare it or calculate with it.
        for field, kinds in _KINDS.items():
            if type(getattr(self, field)) not in kinds:
                raise ValueError(f"{field} is of a wrong kind: {getattr(self, field)!r}")
        if not self.name.isidentifier() or self.name != self.name.lower():
            raise ValueError(f"name must be a word in small letters, not {self.name!r}")
        if not self.reward_risk.is_finite() or self.reward_risk <= 0:
            raise ValueError(f"reward_risk must be finite and above 0, not {self.reward_risk}")
        if not 0 <= self.close_minutes_min < 390:
            raise ValueError(f"close_minutes_min must be 0..389, not {self.close_minutes_min}")
        if not all(type(each) is Regime for each in self.unsuited):
            raise ValueError(f"unsuited must hold regimes, not {self.unsuited!r}")
        if not callable(self.make):
            raise ValueError("make must build the strategy from the limits")
        undocumented = [row.name for row in parameters_of(self) if not row.meaning]
        if undocumented:
            raise ValueError(f"parameters without a meaning: {', '.join(undocumented)}")


_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "reward_risk": (Decimal,),
    "needs_flow": (bool,),
    "unsuited": (frozenset,),
    "close_minutes_min": (float, int),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that a strategy can be tuned by."""

    name: str
    value: object
    meaning: str


def parameters_of(sheet: StrategySheet) -> tuple[Parameter, ...]:
    """Return the parameters with their defaults and meanings, in the order of the file."""
    if sheet.parameters is None:
        return ()
    hints = get_type_hints(sheet.parameters, include_extras=True)
    rows = []
    for each in fields(sheet.parameters):
        value = None if each.default is MISSING else each.default
        rows.append(Parameter(each.name, value, _meaning(hints[each.name])))
    return tuple(rows)


def _meaning(hint: Any) -> str:
    words = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((word for word in words if isinstance(word, str)), "")
