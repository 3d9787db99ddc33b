"""Our members in supervisord's words, so that its stock client understands them."""

from __future__ import annotations

from pathlib import Path

from services.supervisor.member import Member
from shared.clock import Clock, parse_utc
from shared.models.health import Phase

STATE_OF_PHASE: dict[Phase, tuple[int, str]] = {
    Phase.STOPPED: (0, "STOPPED"),
    Phase.STARTING: (10, "STARTING"),
    Phase.RUNNING: (20, "RUNNING"),
    Phase.BACKOFF: (30, "BACKOFF"),
    Phase.STOPPING: (40, "STOPPING"),
    Phase.PARKED: (200, "FATAL"),
}
UNDERSTOOD = 2**31 - 1
"""Largest integer of XML-RPC."""


def process_info(member: Member, output: Path, clock: Clock) -> dict[str, object]:
    """Return the struct of getProcessInfo."""
    state, name = STATE_OF_PHASE[member.phase]
    exit_ = member.last_exit
    code = None if exit_ is None else exit_.code
    signalled = exit_ is not None and exit_.signal is not None
    return {
        "name": member.name,
        "group": member.name,
        "start": _seconds(member.started_at),
        "stop": _seconds(None if exit_ is None else exit_.at),
        "now": min(int(clock.utc_now().timestamp()), UNDERSTOOD),
        "state": state,
        "statename": name,
        "spawnerr": member.phase_reason if member.phase is Phase.PARKED else "",
        "exitstatus": -1 if signalled else (code or 0),
        "logfile": str(output),
        "stdout_logfile": str(output),
        "stderr_logfile": "",
        "pid": 0 if member.process is None else member.process.pid,
        "description": description(member, clock.monotonic_s()),
    }


def description(member: Member, now_s: float) -> str:
    """Return the last column of `supervisorctl status`."""
    if member.process is None:
        return member.phase_reason
    uptime_s = max(0, int(now_s - member.started_s))
    hours, rest = divmod(uptime_s, 3600)
    minutes, seconds = divmod(rest, 60)
    health = "" if member.status_reason in ("", "running") else f", {member.status_reason}"
    return (
        f"pid {member.process.pid}, uptime {hours}:{minutes:02d}:{seconds:02d}, "
        f"{member.status}{health}"
    )


def _seconds(text: str | None) -> int:
    if not text:
        return 0
    return min(int(parse_utc(text).timestamp()), UNDERSTOOD)
