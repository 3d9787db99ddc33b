"""What one run was asked for: settled by the ignition, handed to guardian and supervisor.

The ignition validates the settings with pydantic and then becomes the guardian (exec), so that
neither guardian nor supervisor carries the validation library in memory. What they need travels
in one environment variable; secrets are not in it, children read those from where the ignition
read them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from shared.config.paths import LogPaths, StatePaths

LAUNCH_VARIABLE = "SHT_LAUNCH"
LATER_SUPERVISOR = "SHT_LATER"
"""Set by the guardian for a supervisor that replaces a dead one."""
REPOSITORY = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=8)
def cookie_of(state_dir: str) -> str:
    """Return what every process of a state folder carries; it stays, though the folder goes."""
    return hashlib.sha256(str(Path(state_dir).resolve()).encode()).hexdigest()[:16]


@lru_cache(maxsize=8)
def _state_paths(state_dir: str) -> StatePaths:
    return StatePaths(Path(state_dir))


@lru_cache(maxsize=8)
def _log_paths(log_dir: str) -> LogPaths:
    return LogPaths(Path(log_dir))


@dataclass(frozen=True, slots=True)
class Launch:
    """One run: where, in which mode, by which rules, for how long."""

    state_dir: str
    log_dir: str
    mode: str
    services_file: str
    max_failures: int
    window_s: float
    env_file: str = ""
    chaos_mode: str = "off"
    dashboard_host: str = ""
    sim_port: int | None = None
    seconds_to_run: float | None = None
    started_s: float | None = None
    """When the guardian began, on the monotonic clock that all processes share; a new
    supervisor goes on counting from there."""
    guardian_pid: int = 0
    guardian_ticks: int = 0
    """Which process guards the supervisor."""
    extra_environment: Mapping[str, str] | None = None
    """Settings said on the command line, which children must see too."""

    @property
    def state(self) -> StatePaths:
        """Files under the state folder."""
        return _state_paths(self.state_dir)

    @property
    def logs(self) -> LogPaths:
        """Files under the log folder."""
        return _log_paths(self.log_dir)

    @property
    def cookie(self) -> str:
        """What every process of this state folder carries in its environment."""
        return cookie_of(self.state_dir)

    def to_text(self) -> str:
        """Write the launch as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Launch:
        """Read what `to_text` wrote; raises ValueError or TypeError when it is something else."""
        return cls(**json.loads(text))

    def child_environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment for children: inherited, explicit folders and mode."""
        environment = dict(inherited)
        for private in (
            LAUNCH_VARIABLE,
            LATER_SUPERVISOR,
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
        ):
            environment.pop(private, None)
        environment.update(self.extra_environment or {})
        environment.update(
            STATE_DIR=self.state_dir,
            LOG_DIR=self.log_dir,
            TRADING_MODE=self.mode,
            SHT_ENV_FILE=self.env_file,
        )
        return environment
