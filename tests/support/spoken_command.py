"""A command as it stands in the spool, for benches that need nothing of its way there."""

from __future__ import annotations

from typing import Any

from shared.models.commands import Command, CommandName
from tests.support.bot_bench import NOON


def spoken(command: CommandName, **args: Any) -> Command:
    """Return an operator's command with these arguments, given in the bench's noon."""
    return Command(
        id="2026-1",
        command=command,
        by="tester",
        reason="drill",
        expires_at=NOON,
        boot_id="boot",
        boottime_s=0.0,
        expires_boottime_s=60.0,
        args=args,
    )
