"""How a strategy's positions are left beside its stop and target: values that a strategy carries.

The default changes nothing: the stop stays where the entry put it, and nothing is left by time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import isfinite

_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class ExitRules:
    """Rules of one strategy. ValueError for numbers that no rule can be made of."""

    trail_atr_multiple: float | None = None
    """The stop follows the bid this many ATR behind, and never falls; None: it stays."""
    trail_atr_bars: int = 14
    trail_step_atr: float = 0.25
    """The least raise that is worth a change at the broker, in ATR."""
    trail_every: timedelta = timedelta(minutes=1)
    """Market time between two changes of one position's stop, refused ones too."""
    hold_max: timedelta | None = None
    """Market time after which a position is left whatever it did; None: no such time."""
    decay_half_life: timedelta | None = None
    """Market time after which the signal that opened a position is worth half; None: it lasts."""
    decay_min: float = 0.0625
    """Worth no more than this share of itself, the position is left."""

    def __post_init__(self) -> None:
        multiple = self.trail_atr_multiple
        if multiple is not None and not (isfinite(multiple) and multiple > 0):
            raise ValueError(f"trail_atr_multiple must be above 0, not {multiple}")
        if self.trail_atr_bars < 1:
            raise ValueError(f"trail_atr_bars must be 1 or more, not {self.trail_atr_bars}")
        if not (isfinite(self.trail_step_atr) and self.trail_step_atr >= 0):
            raise ValueError(f"trail_step_atr must be 0 or more, not {self.trail_step_atr}")
        if not 0 < self.decay_min < 1:
            raise ValueError(f"decay_min must lie between 0 and 1, not {self.decay_min}")
        for name in ("trail_every", "hold_max", "decay_half_life"):
            span: timedelta | None = getattr(self, name)
            if span is not None and span <= _NO_TIME:
                raise ValueError(f"{name} must be above 0, not {span}")
