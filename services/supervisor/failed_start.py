"""health.json after a start that could not be: FAILED, and why."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.supervisor.last_health import last_health
from services.supervisor.locks import LockHeld, ProcessLock
from shared.clock import Clock, SystemClock, utc_text
from shared.config.paths import StatePaths
from shared.errors import SystemFault, failure_class_of_exit_code
from shared.health.codes import CODE_OF_CLASS, see
from shared.health.rollup import HALTED
from shared.models.health import SCHEMA_VERSION, VALID_S, ExitClass, HealthCode, Status
from shared.persistence.atomic_file import write_document

NEXT_ACTION = see(
    "The operator mends what the reason names and starts the system again; "
    "where services still run, their guardian tries it by itself.",
    "failed-start",
)


@dataclass(frozen=True, slots=True)
class FailedStart:
    """Why a start could not be: its exit code, and the reason in words."""

    exit_code: int
    reason: str
    mode: str | None = None
    """None when even the settings could not be read."""


def publish_failed_start(state_dir: Path, failed: FailedStart) -> None:
    """Write the verdict, unless another instance owns this folder or it cannot be written."""
    state = StatePaths(state_dir)
    guardian, supervisor = ProcessLock(state.guardian_lock), ProcessLock(state.supervisor_lock)
    try:
        state.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        guardian.take("a start that is being refused")
        supervisor.take("a start that is being refused")
        write_failed_start(state, failed)
    except (LockHeld, OSError) as fault:
        logging.getLogger("supervisor").debug("health.json is left alone: %s", fault)
    finally:
        supervisor.release()
        guardian.release()


def write_failed_start(state: StatePaths, failed: FailedStart) -> None:
    """Write the verdict as the one who holds the locks, if the disk allows it.

    Nobody supervises, so no service and no supervisor is named; incidents and counts are kept.
    """
    document = _document(failed, last_health(state.health), SystemClock())
    try:
        write_document(state.health, json.dumps(document).encode())
    except SystemFault as fault:
        logging.getLogger("supervisor").debug("health.json cannot be written: %s", fault)


def _seq_after(earlier: dict[str, Any]) -> int:
    seq = earlier.get("seq")
    return seq + 1 if isinstance(seq, int) else 1


def _code_of(exit_code: int) -> HealthCode:
    failure_class = failure_class_of_exit_code(exit_code)
    if failure_class is None:
        return HealthCode.FAILED
    return CODE_OF_CLASS.get(ExitClass(str(failure_class)), HealthCode.FAILED)


def _document(failed: FailedStart, earlier: dict[str, Any], clock: Clock) -> dict[str, object]:
    now = clock.utc_now()
    code = _code_of(failed.exit_code)
    former = earlier.get("supervisor")
    had_end = earlier.get("code") == str(HealthCode.STOPPED)
    return {
        "schema_version": SCHEMA_VERSION,
        "seq": _seq_after(earlier),
        "written_at": utc_text(now),
        "valid_until": utc_text(now + timedelta(seconds=VALID_S)),
        "overall": str(Status.FAILED),
        "code": str(code),
        "reason": " ".join(failed.reason.split()),
        "next_action": NEXT_ACTION,
        "mode": failed.mode,
        "chaos_mode": "off",
        "trading_state": HALTED,
        "trading_state_cause": "supervision",
        "boot_id": clock.boot_id(),
        "boottime_s": round(clock.boottime_s(), 3),
        "supervisor": {**former, "pid": None} if isinstance(former, dict) and not had_end else None,
        "services": {},
        "incidents": earlier.get("incidents") or [],
    }
