"""What one row of the catalogue says: a fault, where it acts, and what must follow. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Place(StrEnum):
    """Where a fault acts."""

    WIRE = "wire"
    PROCESS = "process"
    FILE = "file"
    DISK = "disk"
    CLOCK = "clock"


class Invariant(StrEnum):
    """What holds at all times, in every drill: CONTRACTS.md section 9, and who tells of it."""

    NO_ORDER_TWICE = "no order twice"
    NO_ORDER_LOST = "no order lost"
    ALWAYS_A_STOP = "no position without a broker-held stop for longer than 5 s of market time"
    NO_FORBIDDEN_ENTRY = "no entry while the trading state forbids it"
    NO_LIMIT_EXCEEDED = "no limit exceeded"
    NO_SECRET_IN_A_LOG = "no secret in a log"  # nosec B105 # a sentence, no secret
    NEVER_OK_WHEN_DEAD = "health never OK while trading is dead"
    NO_BETTER_PAGE = "the dashboard never says better than health.json"
    PEOPLE_ARE_TOLD = "a failure that lasts reaches people, each message once"


@dataclass(frozen=True, slots=True)
class WireFault:
    """One fault that the embedded exchange is asked for (docs/EXCHANGE.md)."""

    kind: str
    scope: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str | float] = field(default_factory=dict)
    times: int | None = None


class Blow(StrEnum):
    """What is done to a process."""

    KILL = "SIGKILL"
    KILL_AGAIN = "SIGKILL whenever it is back"
    HANG = "SIGSTOP"
    KILL_OVER_DAMAGE = "trading_state.json damaged, then SIGKILL"
    NO_FILE_GROWS = "RLIMIT_FSIZE 0"


GATEWAY_DOWN, GATEWAY_REFUSES = "down", "refused_keys"
"""What the gateway before a broker that is not embedded can do."""


@dataclass(frozen=True, slots=True)
class Injection:
    """How a fault is made, at a boundary that exists anyway: one of wire or blow."""

    wire: tuple[WireFault, ...] = ()
    gateway: str = ""
    """The same on the way to a broker that is not embedded; empty: only in sim."""
    blow: Blow | None = None
    victim: str = ""
    """Name of the service, or `supervisor` or `guardian`."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be seen while the fault acts, and afterwards."""

    codes: tuple[str, ...] = ()
    """Codes of health.json of which one must be shown; empty: an incident of the victim's, or
    for a guardian the word of its successor, is the detection."""
    trading: tuple[str, ...] = ("ACTIVE", "REDUCING", "HALTED")
    """Trading states that may stand in the end of the fault."""
    same_process: tuple[str, ...] = ()
    """Services whose process is the same before and after."""
    new_process: tuple[str, ...] = ()
    """Who must be a new process afterwards."""
    parked: tuple[str, ...] = ()
    quarantined: bool = False
    """A damaged trading_state.json must be set aside."""
    ambiguous: bool = False
    """orders.jsonl must say `ambiguous`: that is the detection."""
    heals_meanwhile: bool = False
    """The system is well again while the fault still acts, and has told what `told` asks for: that
    is its answer."""
    told: tuple[str, ...] = ()
    """Words of which each must be in a reason of health.json while the fault acts."""
    by_hand: tuple[str, ...] = ()
    """Services that an operator releases before the system is well again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds allowed, of real time."""

    detect_s: float
    """From the injection to health.json showing it."""
    respond_s: float
    """From the injection to what the system does about it."""
    recover_s: float
    """From the end of the fault (or the operator's hand) to the steady state."""
    lease_s: float
    """For how long the fault lasts unless CHAOS_DURATION_S says otherwise."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault of the catalogue."""

    name: str
    place: Place
    breaks: str
    radius: tuple[str, ...]
    """Who is hit."""
    failure_class: str
    injection: Injection
    expected: Expected
    bounds: Bounds
    invariants: tuple[Invariant, ...] = tuple(Invariant)

    @property
    def proof(self) -> str:
        """What counts as having acted."""
        if self.injection.wire:
            return "the exchange's own counter of the fault"
        if self.injection.blow is Blow.KILL_OVER_DAMAGE:
            return "damaged bytes read back, and the end of the process"
        if self.injection.blow is Blow.HANG:
            return "the process is seen stopped"
        if self.injection.blow is Blow.NO_FILE_GROWS:
            return "the limit read back from the process"
        if self.injection.blow is None:
            return "the dashboard's answers"
        return "the end of the process that was struck"
