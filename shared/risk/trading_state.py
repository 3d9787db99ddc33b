"""The trading state: the most restrictive of every input, with its cause (rule 21)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.models.trading_state import Cause, Hold, HoldKind, TradingState
from shared.risk.checks_entry import RECONCILE_AGE_S_MAX

_ACTIVE, _REDUCING, _HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED

_HOLD_STATES = {
    HoldKind.DAILY_LOSS: _REDUCING,
    HoldKind.DRAWDOWN: _HALTED,
    HoldKind.REBUILD: _REDUCING,
    HoldKind.SECOND_WRITER: _REDUCING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateInputs:
    """What may restrict trading. `None` means not known, and restricts like the bad answer."""

    emergency_stop: bool | None = None
    paused: bool = False
    pause_reason: str = ""
    holds: Mapping[str, Hold] = field(default_factory=dict)
    order_contract_fault: str = ""
    """What broke in the broker's order or account replies; empty when nothing did."""
    data_contract_fault: str = ""
    data_age_s: float | None = None
    """Market seconds since the newest price of any symbol."""
    data_age_s_max: float = 120.0
    is_open: bool = True
    """Outside the session prices stand still and no stream need speak."""
    unknown_outcomes: int | None = None
    uncovered_symbols: int | None = None
    reconcile_age_s: float | None = None
    """Market seconds since the last whole reconciliation; None before the first."""
    unresolved_items: int = 0
    """Items that the last reconciliation could not resolve."""
    stream_listening: bool | None = None
    store_writable: bool | None = None
    supervision_fault: str = ""
    """Why supervision counts as lost; empty while it is there or was never asked for."""
    error_burst: bool = False
    statement_differences: tuple[str, ...] = ()
    """Where our books and the broker's activities did not agree at the last day's end."""


@dataclass(frozen=True, slots=True)
class CauseLine:
    """One input that restricts trading."""

    cause: Cause
    state: TradingState
    reason: str


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """The trading state, the input that set it, and every input that restricts."""

    state: TradingState
    cause: Cause
    causes: tuple[CauseLine, ...]

    @property
    def reason(self) -> str:
        """One sentence for people."""
        return "; ".join(line.reason for line in self.causes) or "nothing restricts trading"


def combine(inputs: StateInputs) -> StateVerdict:
    """Return the most restrictive state; among equals the first input of the list is the cause."""
    causes = tuple(
        line
        for family in (_operator, _risk, _contracts, _data, _orders, _supervision)
        for line in family(inputs)
    )
    if not causes:
        return StateVerdict(_ACTIVE, Cause.NONE, ())
    worst = max(causes, key=lambda line: line.state.severity)
    return StateVerdict(worst.state, worst.cause, causes)


def _operator(inputs: StateInputs) -> Iterator[CauseLine]:
    if inputs.emergency_stop is not False:
        known = inputs.emergency_stop is True
        reason = "emergency stop" if known else "the emergency stop cannot be read"
        yield CauseLine(Cause.OPERATOR, _HALTED, reason)
    if inputs.paused:
        yield CauseLine(Cause.OPERATOR, _REDUCING, f"paused: {inputs.pause_reason or 'no reason'}")


def _risk(inputs: StateInputs) -> Iterator[CauseLine]:
    for hold in inputs.holds.values():
        yield CauseLine(Cause.RISK, _HOLD_STATES[hold.kind], hold.reason)
    if inputs.error_burst:
        yield CauseLine(Cause.RISK, _REDUCING, "too many errors in a short time")
    if inputs.statement_differences:
        reason = f"the statement does not match: {inputs.statement_differences[0]}"
        yield CauseLine(Cause.RISK, _REDUCING, reason)


def _contracts(inputs: StateInputs) -> Iterator[CauseLine]:
    if inputs.order_contract_fault:
        yield CauseLine(Cause.CONTRACTS, _HALTED, inputs.order_contract_fault)
    if inputs.data_contract_fault:
        yield CauseLine(Cause.CONTRACTS, _REDUCING, inputs.data_contract_fault)


def _data(inputs: StateInputs) -> Iterator[CauseLine]:
    age = inputs.data_age_s
    if inputs.is_open and (age is None or not 0.0 <= age <= inputs.data_age_s_max):
        known = age is not None
        words = f"the newest price is {age:.0f} s old" if known else "no price of known age"
        yield CauseLine(Cause.DATA, _REDUCING, words)
    if inputs.stream_listening is not True:
        yield CauseLine(Cause.DATA, _REDUCING, "the trade stream does not listen")
    if inputs.store_writable is not True:
        yield CauseLine(Cause.DATA, _REDUCING, "state or journal cannot be written")


def _orders(inputs: StateInputs) -> Iterator[CauseLine]:
    age = inputs.reconcile_age_s
    if age is None:
        reason = "no reconciliation of known age"
        yield CauseLine(Cause.UNKNOWN_OUTCOME, _REDUCING, reason)
    elif not 0.0 <= age <= RECONCILE_AGE_S_MAX:
        reason = f"the last reconciliation is {age:.0f} s old"
        yield CauseLine(Cause.UNKNOWN_OUTCOME, _REDUCING, reason)
    if inputs.unknown_outcomes != 0:
        count = "?" if inputs.unknown_outcomes is None else inputs.unknown_outcomes
        yield CauseLine(Cause.UNKNOWN_OUTCOME, _REDUCING, f"{count} orders of unknown outcome")
    if inputs.unresolved_items:
        reason = f"{inputs.unresolved_items} unresolved items of the reconciliation"
        yield CauseLine(Cause.UNKNOWN_OUTCOME, _REDUCING, reason)
    if inputs.uncovered_symbols != 0:
        count = "?" if inputs.uncovered_symbols is None else inputs.uncovered_symbols
        yield CauseLine(Cause.COVERAGE, _REDUCING, f"{count} positions without a full stop")


def _supervision(inputs: StateInputs) -> Iterator[CauseLine]:
    if inputs.supervision_fault:
        yield CauseLine(Cause.SUPERVISION, _REDUCING, inputs.supervision_fault)
