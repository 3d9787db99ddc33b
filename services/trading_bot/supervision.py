"""Is somebody watching over us? health.json's age tells, when a supervisor started us; it also
tells how the process before us ended.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from services.trading_bot.brain.deaths import Exit
from shared.clock import Clock
from shared.health.judge import Judgement, Standing, judge_document

LOOK_EVERY_S = 0.5
HEALTH_BYTES_MAX = 4_000_000
_SERVICE = "trading-bot"


class Supervision:
    """Reads health.json at most twice a second. A bot started by hand needs no supervisor."""

    def __init__(self, path: Path, environ: Mapping[str, str], clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.is_expected = bool(environ.get("SHT_SERVICE"))
        self._looked_at_s = float("-inf")
        self._fault: str | None = None

    def fault(self) -> str | None:
        """Return why no supervisor seems to be there, None when one is, or none is expected."""
        if not self.is_expected:
            return None
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_at_s >= LOOK_EVERY_S:
            self._looked_at_s = now_s
            self._fault = self._look()
        return self._fault

    def former_exit(self) -> Exit:
        """Return how the process before this one ended; unknown without a supervisor's word, or
        while that does not speak of this process yet.
        """
        document = self._judged().document if self.is_expected else None
        services = (document or {}).get("services")
        row = services.get(_SERVICE) if isinstance(services, dict) else None
        last = row.get("last_exit") if isinstance(row, dict) else None
        if not isinstance(row, dict) or not isinstance(last, dict) or row.get("pid") != os.getpid():
            return Exit()
        return Exit(_whole(last.get("code")), _whole(last.get("signal")))

    def _judged(self) -> Judgement:
        return judge_document(
            self._read(), boot_id=self._clock.boot_id(), boottime_s=self._clock.boottime_s()
        )

    def _look(self) -> str | None:
        judgement = self._judged()
        if judgement.standing is not Standing.FRESH:
            return judgement.reason
        # A supervisor that could not start leaves word too, with no process to its name.
        writer = (judgement.document or {}).get("supervisor")
        is_there = isinstance(writer, dict) and writer.get("pid") is not None
        return None if is_there else judgement.reason

    def _read(self) -> bytes | None:
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError:
            return b""
        try:
            return os.read(file, HEALTH_BYTES_MAX)
        except OSError:
            return b""
        finally:
            os.close(file)


def _whole(value: object) -> int | None:
    return value if type(value) is int else None
