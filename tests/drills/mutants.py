"""Each healing switched off: what is changed in a throw-away copy, and what the drill must say."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

RULES = "shared/resilience/classification_rows.py"
TABLE = "services/services.toml"
BOT_ROW, DATA_ROW = "[service.trading-bot]", "[service.data-daemon]"


class Change(NamedTuple):
    """One place of one file."""

    path: str
    old: str
    new: str


class Mutant(NamedTuple):
    """What the system does without one healing, and a word of the grounds that must follow."""

    ground: str
    changes: tuple[Change, ...]


def one(ground: str, path: str, old: str, new: str) -> Mutant:
    """A healing that one line holds."""
    return Mutant(ground, (Change(path, old, new),))


MUTANTS = {
    "alpaca_down": one(
        "not recovered",
        RULES,
        '"urllib3.exceptions.NewConnectionError": (_T,',
        '"urllib3.exceptions.NewConnectionError": (_C,',
    ),
    "invalid_creds": one(
        "not detected", RULES, '(401, 401, r"", _C, "unauthorized"', '(401, 401, r"", _T, "un"'
    ),
    "supervisor_crash": one(
        "not recovered",
        "services/supervisor/guardian.py",
        "            process = self._start(later=True)",
        "            return 1",
    ),
    "state_corrupt": one("not recovered", TABLE, BOT_ROW, f"{BOT_ROW}\nmax_failures = 1"),
    "reply_lost": one(
        "not detected",
        "shared/vendors/alpaca_broker.py",
        "if verdict.placement is Placement.NOT_PLACED:",
        "if verdict.placement is not Placement.EXISTS:",
    ),
    "rate_limited": one(
        "not recovered", RULES, '(429, 429, r"", _T, "rate_limited"', '(429, 429, r"", _C, "r"'
    ),
    "slow_broker": one(
        "not recovered",
        "shared/resilience/breaker.py",
        "\nPAUSE_S = 2.0",
        "\nPAUSE_S = 90.0",
    ),
    "schema_drift": one(
        "not detected",
        "shared/health/codes.py",
        "ExitClass.SCHEMA: HealthCode.FAILED_API_SCHEMA",
        "ExitClass.SCHEMA: HealthCode.FAILED",
    ),
    "stream_silent": one(
        "answered",
        "shared/vendors/websocket_link.py",
        "PING_EVERY_S, PING_TIMEOUT_S = 10.0, 20.0",
        "PING_EVERY_S, PING_TIMEOUT_S = 3_600.0, 3_600.0",
    ),
    "stale_data": Mutant(
        "not detected",
        (
            Change("services/data_daemon/plan.py", "    if age_s > limit_s:", "    if False:"),
            Change(
                "shared/risk/trading_state.py",
                "not 0.0 <= age <= inputs.data_age_s_max",
                "age < 0.0",
            ),
        ),
    ),
    "uw_down": one(
        "not detected",
        "services/data_daemon/flow_plan.py",
        "RETRY_FIRST_S, RETRY_MAX_S = 1.0, 60.0",
        "RETRY_FIRST_S, RETRY_MAX_S = 3600.0, 3600.0",
    ),
    "bot_hang": one(
        "not answered",
        TABLE,
        "watchdog_s = 20.0\nready_s = 45.0\nstop_s",
        "watchdog_s = 3600.0\nstop_s",
    ),
    "data_daemon_kill": one("not recovered", TABLE, DATA_ROW, f"{DATA_ROW}\nmax_failures = 1"),
    "dashboard_kill": one(
        "not recovered", TABLE, "[service.dashboard]", "[service.dashboard]\nmax_failures = 1"
    ),
    "disk_full": one(
        "not detected",
        "services/trading_bot/memory.py",
        "        return self.fault is None",
        "        return True",
    ),
    "clock_jump": one(
        "not recovered",
        "services/trading_bot/reconciling.py",
        "if self._at is None or reconnected or now < self._at:",
        "if self._at is None or reconnected:",
    ),
    "bot_crash_loop": one("not answered", TABLE, BOT_ROW, f"{BOT_ROW}\nmax_failures = 1000"),
    "guardian_kill": one(
        "not recovered", "supervisor.conf", "autorestart=unexpected", "autorestart=false"
    ),
}


WITNESSES = {
    "heartbeat_keeps_silent": one(
        "nobody was told",
        "services/heartbeat/plan.py",
        "Severity.PAGE: 2.0}",
        "Severity.PAGE: 600.0}",
    ),
    "dashboard_flatters": one(
        "it said OK",
        "services/dashboard/views_api.py",
        "    document.update(\n        overall=str(judgement.overall),",
        '    document.update(\n        overall="OK",',
    ),
}
"""Who tells of a failure does not."""
WITNESSED = {"heartbeat_keeps_silent": "invalid_creds", "dashboard_flatters": "bot_hang"}
"""The drill for each: FAILED until a page has come, and FAILED for a while."""


def changed(folder: Path, change: Change) -> str:
    """Return the text of the changed file; a place that is not there just once is told."""
    text = (folder / change.path).read_text("utf-8")
    assert text.count(change.old) == 1, f"{change.path} does not say {change.old!r} once"
    return text.replace(change.old, change.new)


def apply_to(folder: Path, mutant: Mutant) -> None:
    """Change a copy of the project."""
    for change in mutant.changes:
        (folder / change.path).write_text(changed(folder, change), "utf-8")
