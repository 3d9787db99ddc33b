"""An operator's desk: a state folder, its spool, and a command core, on a clock that stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.commands.core import CommandCore
from shared.commands.spool import CommandSpool
from shared.config.paths import LogPaths, StatePaths
from shared.models.commands import Answer, Command, CommandName, CommandOutcome
from shared.persistence.emergency_stop import EmergencyStopFile
from tests.support.clock import ManualClock


class OperatorDesk:
    """A state folder, its spool, and a core whose holder is a function."""

    def __init__(self, folder: Path) -> None:
        self.state = StatePaths(folder / "state")
        self.logs = LogPaths(folder / "logs")
        self.clock = ManualClock()
        self.spool = CommandSpool(self.state, self.clock)
        self.stop = EmergencyStopFile(self.state.emergency_stop)
        self.core = CommandCore(self.state, self.logs, self.clock)

    def command(self, number: int = 1, **changes: Any) -> Command:
        """A pause given now, valid for a minute."""
        now_s = self.clock.boottime_s()
        command = Command(
            id=f"2026-{number:04d}",
            command=CommandName.PAUSE,
            by="cli:ann",
            reason="lunch",
            expires_at=self.clock.utc_now() + timedelta(seconds=60),
            boot_id=self.clock.boot_id(),
            boottime_s=now_s,
            expires_boottime_s=now_s + 60,
            args={"symbol": "AAPL", "flatten": True},
        )
        return replace(command, **changes)

    def answering(self, holder: Callable[[Command], Answer]) -> CommandCore:
        """A core behind which somebody holds the lock and answers at once."""

        def hand_over() -> None:
            claimed = self.spool.claim()
            assert isinstance(claimed, Command)
            holder(claimed)

        return CommandCore(self.state, self.logs, self.clock, hand_over)

    def doing(self, outcome: CommandOutcome = CommandOutcome.DONE) -> CommandCore:
        """A core whose holder ends every command so, and echoes its arguments."""
        return self.answering(
            lambda command: self.spool.answer(command.id, outcome, "So be it.", command.args)
        )

    def audit(self) -> list[dict[str, Any]]:
        """The audit lines."""
        return [json.loads(line) for line in self.logs.audit.read_text().splitlines()]
