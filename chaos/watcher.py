"""Looks at the system ten times a second and keeps what changed; guards the drill meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos.catalogue import BOT, GUARDIAN
from chaos.evidence import Sample, sample_of
from chaos.tree import Tree, is_stopped
from services.supervisor.processes import start_ticks
from shared.clock import Clock
from shared.config.paths import LogPaths

LOOK_EVERY_S = 0.1


class Watcher:
    """Samples of one system. Not a thread: whoever waits looks."""

    def __init__(self, tree: Tree, logs: LogPaths, clock: Clock) -> None:
        self._tree, self._logs, self._clock = tree, logs, clock
        self._never = threading.Event()
        self._read_to = 0
        self._tail = b""
        self._ambiguous = 0
        self._samples: list[Sample] = []
        self._last: Sample | None = None
        self.lines: list[dict[str, Any]] = []
        """orders.jsonl, each line with `at_s`."""

    def look(self) -> Sample:
        """Look once; the sample is kept where something changed."""
        self._read_orders()
        judged = self._tree.health()
        document = judged.document
        with self._tree.holding(GUARDIAN) as guardian:
            pids = {GUARDIAN: None if guardian is None else guardian.pid}
        bot = ((document or {}).get("services") or {}).get(BOT, {}).get("pid")
        seen = {
            "at_s": self._clock.monotonic_s(),
            "pids": pids,
            "quarantined": len(list(self._tree.state.root.glob("trading_state.json.corrupt.*"))),
            "ambiguous": self._ambiguous,
            "bot_works": bot is not None and _works(int(bot)),
        }
        sample = sample_of(document, (judged.overall, judged.code, judged.reason), seen)
        if not self._samples or sample.facts != self._samples[-1].facts:
            self._samples.append(sample)
        self._last = sample
        return sample

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What was seen, closed by the last look: so long lasted what did not change any more."""
        if self._last is None or self._last is self._samples[-1]:
            return tuple(self._samples)
        return (*self._samples, self._last)

    def until(self, holds: Callable[[Sample], bool], timeout_s: float) -> Sample | None:
        """Look until it holds; None after the timeout."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            sample = self.look()
            if holds(sample):
                return sample
            if self._clock.monotonic_s() >= deadline_s:
                return None
            self._clock.wait(self._never, LOOK_EVERY_S)

    def until_held(
        self, holds: Callable[[Sample], bool], for_s: float, timeout_s: float
    ) -> float | None:
        """Return since when it held, once it has for so long; None after the timeout."""
        since: list[float] = []

        def has_held(sample: Sample) -> bool:
            if not holds(sample):
                since.clear()
                return False
            since.append(sample.at_s)
            return sample.at_s - since[0] >= for_s

        return since[0] if self.until(has_held, timeout_s) is not None else None

    def forget(self) -> None:
        """Begin anew: what was seen belongs to an earlier drill."""
        self._samples.clear()
        self._last = None

    def _read_orders(self) -> None:
        with suppress(FileNotFoundError):
            with self._logs.orders.open("rb") as file:
                file.seek(self._read_to)
                fresh = file.read()
            self._read_to += len(fresh)
            *whole, self._tail = (self._tail + fresh).split(b"\n")
            now_s = self._clock.monotonic_s()
            for line in whole:
                self._keep(line, now_s)

    def _keep(self, line: bytes, now_s: float) -> None:
        """Keep a line; one that a full disk once tore tells nothing."""
        with suppress(ValueError, TypeError):
            told = {**json.loads(line), "at_s": now_s}
            self.lines.append(told)
            self._ambiguous += told.get("event") == "ambiguous"


def _works(pid: int) -> bool:
    return start_ticks(pid) is not None and not is_stopped(pid) and not _is_dead(pid)


def _is_dead(pid: int) -> bool:
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return stat.rpartition(b")")[2].split()[0] in (b"Z", b"X")
    return True
