"""A fault of the gateway, asked for by a signal; the gateway ends it with its lease."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos.gateway import NOTE, SIGNAL_OF
from services.supervisor.processes import Process, open_process
from shared.clock import Clock
from shared.errors import TransientFault


def read_note(run_folder: Path) -> dict[str, Any]:
    """Return what the gateway wrote; raises TransientFault when there is nothing to read."""
    try:
        note = json.loads((run_folder / NOTE).read_bytes())
        known = {"pid": int(note["pid"]), "ticks": int(note["start_ticks"])}
        return {**known, "acted": dict(note["acted"]), "addresses": dict(note["addresses"])}
    except (OSError, ValueError, TypeError, KeyError) as fault:
        raise TransientFault(f"no gateway stands before the broker: {fault}") from fault


class GatewayAct:
    """One fault of the gateway."""

    def __init__(self, fault: str, lease_s: float, run_folder: Path, clock: Clock) -> None:
        self._fault, self._lease_s, self._run, self._clock = fault, lease_s, run_folder, clock
        self._ends_s = 0.0
        self._before = 0
        self.detail = f"gateway: {fault}"

    def begin(self) -> None:
        """Ask the gateway; raises TransientFault when none lives."""
        note = read_note(self._run)
        with _held(note) as process:
            if process is None or not process.send(SIGNAL_OF[self._fault]):
                raise TransientFault("the gateway before the broker is dead")
        self._before = int(note["acted"][self._fault])
        self._ends_s = self._clock.monotonic_s() + self._lease_s

    def tick(self) -> None:
        """Nothing is repeated: the gateway does it."""

    def acted(self) -> int:
        """Return the gateway's counter."""
        return int(read_note(self._run)["acted"][self._fault]) - self._before

    def is_over(self) -> bool:
        """Whether the lease has run out."""
        return self._clock.monotonic_s() >= self._ends_s

    def undo(self) -> None:
        """Nothing to do: the gateway's lease ends it."""


@contextmanager
def _held(note: dict[str, Any]) -> Iterator[Process | None]:
    process = open_process(note["pid"], note["ticks"])
    try:
        yield process
    finally:
        if process is not None:
            process.close()
