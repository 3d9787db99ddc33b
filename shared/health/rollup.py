"""From the services to one verdict: the rule of CONTRACTS.md section 5, pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.health.codes import (
    CLEAR_STOP,
    CODE_OF_CLASS,
    NEXT_ACTION,
    is_worse,
    worst_code,
    worst_status,
)
from shared.models.health import ExitClass, HealthCode, Status, TradingWord, Verdict

HALTED = "HALTED"
REDUCING = "REDUCING"
_CALM_CAUSES = frozenset({"operator", "none"})
"""Causes for which REDUCING is no fault: somebody paused, or nothing holds it back."""


@dataclass(frozen=True, slots=True)
class JudgedService:
    """What the rollup needs to know of one service."""

    name: str
    status: Status
    critical: bool
    reason: str
    failure_class: ExitClass | None = None
    """Class of the failure that keeps it FAILED, when it has one."""


def _code_of(service: JudgedService) -> HealthCode:
    weight = _weight(service)
    if weight is Status.FAILED and service.failure_class is not None:
        return CODE_OF_CLASS.get(service.failure_class, HealthCode.FAILED)
    return HealthCode(str(weight))


def _weight(service: JudgedService) -> Status:
    """What a service's status means for the whole."""
    if service.critical:
        return service.status
    return Status.DEGRADED if service.status is Status.FAILED else Status.OK


def _trading_fault(trading: TradingWord | None, emergency_stop: bool) -> str | None:
    if emergency_stop:
        return "emergency stop is active"
    if trading is None:
        return None
    if trading.state == HALTED:
        return f"trading is HALTED by {trading.cause}"
    if trading.state == REDUCING and trading.cause not in _CALM_CAUSES:
        return f"trading is REDUCING by {trading.cause}"
    return None


def rollup(
    services: Sequence[JudgedService], trading: TradingWord | None, *, emergency_stop: bool = False
) -> Verdict:
    """Return the verdict over all services.

    FAILED if any critical service is FAILED; DEGRADED if any critical one is DEGRADED or any
    supportive one is FAILED, or trading is held back by a fault; OK only if all critical ones
    are OK. `trading` is None where the table has no trading-bot to speak.
    """
    overall = worst_status(_weight(service) for service in services)
    code = worst_code(_code_of(service) for service in services)
    fault = _trading_fault(trading, emergency_stop)
    if fault is not None and not is_worse(overall, Status.DEGRADED):
        overall, code = Status.DEGRADED, HealthCode.DEGRADED
    held = emergency_stop and code is HealthCode.DEGRADED
    next_action = CLEAR_STOP if held else NEXT_ACTION[code]
    return Verdict(overall, code, _reason(services, code, fault), next_action)


def _reason(services: Sequence[JudgedService], code: HealthCode, fault: str | None) -> str:
    if code is HealthCode.OK:
        return "All critical services are OK."
    culprits = [service for service in services if _code_of(service) is code]
    sentences = [f"{service.name}: {service.reason}" for service in culprits]
    if fault is not None and (code is HealthCode.DEGRADED or not sentences):
        sentences.append(fault)
    return "; ".join(sentences) + "."
