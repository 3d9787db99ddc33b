"""A switched fault, its scope, and the occasion on which it may act. Frozen values, pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.exchange_sim.faults.kinds import KINDS, Kind, Value


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a fault concerns; what is not said concerns everybody."""

    process: str | None = None
    """Name of a service of ours (trading-bot), or a process id."""
    dialect: str | None = None
    endpoint: str | None = None
    """Path with `*` for anything: /v2/orders*."""
    method: str | None = None
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault with its lease. Times are seconds since boot: they hold over a restart."""

    id: str
    kind: str
    begins_s: float
    ends_s: float
    scope: Scope = field(default_factory=Scope)
    parameters: Mapping[str, Value] = field(default_factory=dict)
    probability: float = 1.0
    seed: int = 0
    times: int | None = None
    """Ends after having acted so often."""

    @property
    def row(self) -> Kind:
        """The catalogue's row."""
        return KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class Tally:
    """What a fault has met so far."""

    seen: int = 0
    """Occasions in its scope."""
    acted: int = 0
    """Occasions on which it had its effect."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """One request, stream or message on which a fault may act."""

    dialect: str = ""
    endpoint: str = ""
    method: str = ""
    symbols: frozenset[str] = frozenset()
    process: frozenset[str] = frozenset()
    """Names that fit the calling process: its service's and its id."""
    is_packed: bool = False
    """Whether a stream's client asked for msgpack."""
