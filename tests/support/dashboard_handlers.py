"""The dashboard's handlers without a server, for what depends on time and turns of the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request

from services.dashboard.access import Bound
from services.dashboard.app import ROUTES
from services.dashboard.auth import SESSION_COOKIE, Keeper
from services.dashboard.commands import Commands
from services.dashboard.documents import Reading
from services.dashboard.serving import Site, endpoint
from services.dashboard.snapshot import Hub, SnapshotMaker
from shared.commands.audit import AuditLog
from shared.commands.control_client import ControlClient
from shared.commands.core import CommandCore
from shared.config.paths import LogPaths, StatePaths
from tests.support.clock import ManualClock
from tests.support.readings import reading

TOKEN = "a-token-of-ones-own-0123456789"


class Page:
    """The handlers with everything around them, called as the server calls them; time is ours."""

    def __init__(self, folder: Path, bound: Bound, read: Callable[[], Reading] = reading) -> None:
        self.clock = ManualClock()
        self.hub = Hub(self.clock)
        self.keeper = Keeper(TOKEN, self.clock)
        state, logs = StatePaths(folder / "state"), LogPaths(folder / "logs")
        audit = AuditLog(logs.audit, self.clock)
        core = CommandCore(state, logs, self.clock)
        commands = Commands(core, ControlClient(state), audit)
        self.site = Site(
            self.hub, self.keeper, bound, commands, folder / "logs", "sim", lambda: False
        )
        self._maker = SnapshotMaker(read, lambda name, _view: self.render(name), "sim")
        self.render: Callable[[str], str] = lambda name: f"<p>{name}</p>"
        """What a section looks like."""

    def refresh(self) -> None:
        """One more reading, handed out."""
        self.hub.publish(self._maker.make(with_fragments=True))

    async def ask(self, method: str, path: str, **headers: str) -> Any:
        """The answer, its body not yet sent."""
        raw = [(b"host", b"127.0.0.1:8000")]
        raw += [(name.encode(), text.encode()) for name, text in headers.items()]
        request = Request(
            {
                "type": "http",
                "method": method,
                "path": path,
                "query_string": b"",
                "headers": raw,
                "client": ("10.0.0.9", 5),
            }
        )
        row = next(row for row in ROUTES if (row.method, row.path) == (method, path))
        return await endpoint(row, self.site)(request)

    def signed_in(self) -> dict[str, str]:
        """The header of a fresh session."""
        return {"cookie": f"{SESSION_COOKIE}={self.keeper.make_session()}"}
