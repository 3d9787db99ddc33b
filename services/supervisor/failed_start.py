"""health.json after a start that was refused for its settings: FAILED_CONFIG, and why."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path

from services.supervisor.locks import LockHeld, ProcessLock
from shared.clock import Clock, SystemClock, utc_text
from shared.config.paths import StatePaths
from shared.errors import SystemFault
from shared.health.codes import NEXT_ACTION
from shared.health.rollup import HALTED
from shared.models.health import SCHEMA_VERSION, VALID_S, HealthCode, Status
from shared.persistence.atomic_file import Missing, read_document, write_document

HEALTH_BYTES_MAX = 8_000_000


def publish_failed_start(state_dir: Path, reason: str) -> None:
    """Write the verdict, unless another instance owns this folder or it cannot be written."""
    state = StatePaths(state_dir)
    guardian, supervisor = ProcessLock(state.guardian_lock), ProcessLock(state.supervisor_lock)
    try:
        state.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        guardian.take("a start that is being refused")
        supervisor.take("a start that is being refused")
        data = json.dumps(_document(reason, _seq(state.health) + 1, SystemClock())).encode()
        write_document(state.health, data)
    except (LockHeld, OSError, SystemFault) as fault:
        logging.getLogger("supervisor").debug("health.json is left alone: %s", fault)
    finally:
        supervisor.release()
        guardian.release()


def _seq(path: Path) -> int:
    try:
        raw = read_document(path, HEALTH_BYTES_MAX)
        return 0 if isinstance(raw, Missing) else int(json.loads(raw)["seq"])
    except (SystemFault, ValueError, KeyError, TypeError):
        return 0


def _document(reason: str, seq: int, clock: Clock) -> dict[str, object]:
    now = clock.utc_now()
    code = HealthCode.FAILED_CONFIG
    return {
        "schema_version": SCHEMA_VERSION,
        "seq": seq,
        "written_at": utc_text(now),
        "valid_until": utc_text(now + timedelta(seconds=VALID_S)),
        "overall": str(Status.FAILED),
        "code": str(code),
        "reason": " ".join(reason.split()),
        "next_action": NEXT_ACTION[code],
        "mode": None,
        "chaos_mode": "off",
        "trading_state": HALTED,
        "trading_state_cause": "supervision",
        "boot_id": clock.boot_id(),
        "boottime_s": round(clock.boottime_s(), 3),
        "supervisor": None,
        "services": {},
        "incidents": [],
    }
