"""The table at the end: how often each thing was met, in how many histories, and what never was."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.crash.drawing import DISK_CODES, FROM_THEN_ON
from tests.crash.grid import FILE_CALLS, POINTS, name_of
from tests.crash.history import DiskTrouble, Kill, KillKind, WireKind

DEATH, DISK, WIRE, STREAM = "death", "disk", "wire", "stream"
REQUEST, ORDER, OPERATOR, COUNT = "request", "order", "operator", "count"
_TITLES = {
    DEATH: "killed",
    DISK: "the disk refused (lives in which it did)",
    WIRE: "befell requests",
    STREAM: "befell the trade stream",
    REQUEST: "requests of the bot",
    ORDER: "events of orders at the exchange",
    OPERATOR: "words of the operator, trades of a person",
    COUNT: "beside that",
}
_HOW_OFTEN = ((1, "once"), (5, "5 times"), (40, "40 times"), (FROM_THEN_ON, "from then on"))


def death(kill: Kill) -> str:
    """Return the row of a death that came as the kill wanted it."""
    return f"{DEATH}: {name_of(kill)}"


def refusal(disk: DiskTrouble) -> str:
    """Return the row of a disk that refused."""
    return f"{DISK}: {errno.errorcode[disk.code]} {dict(_HOW_OFTEN)[disk.calls]}"


def _wanted() -> Iterator[str]:
    """Every row that must not stay empty."""
    for point in POINTS:
        yield death(point)
    for kind in KillKind:
        if kind not in (KillKind.NONE, KillKind.FILE_STEP, KillKind.LANDMARK):
            yield death(Kill(kind))
    for code in DISK_CODES:
        for calls, _ in _HOW_OFTEN:
            yield refusal(DiskTrouble(1, calls, code))
    for wire in WireKind:
        yield f"{WIRE}: {wire.value}"
    for fate in ("lost", "doubled", "held back", "reordered", "gap"):
        yield f"{STREAM}: {fate}"
    for word in ("close-position", "pause", "stop", "stop-flatten", "buys", "sells"):
        yield f"{OPERATOR}: {word}"
    for event in ("fill", "partial_fill", "canceled", "replaced"):
        yield f"{ORDER}: {event}"


class Table:
    """Adds histories up."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._histories: Counter[str] = Counter()

    def add(self, tally: Counter[str]) -> None:
        """Add one history's counts, by `section: name`."""
        self._times.update(tally)
        self._histories.update(tally.keys())

    def lines(self) -> Iterator[str]:
        """Return the table, section by section."""
        for section, title in _TITLES.items():
            yield ""
            yield f"{title:<58}{'times':>10}{'histories':>11}"
            for name in sorted(self._of(section)):
                if KillKind.FILE_STEP.value not in name:
                    yield f"  {name:<56}{self._row(section, name)}"
            if section == DEATH:
                yield from self._file_steps()
        yield ""
        yield from self._never()

    def _of(self, section: str) -> Iterable[str]:
        return [
            name.removeprefix(f"{section}: ")
            for name in self._times
            if name.startswith(f"{section}: ")
        ]

    def _row(self, section: str, name: str) -> str:
        key = f"{section}: {name}"
        return f"{self._times[key]:>10}{self._histories[key]:>11}"

    def _file_steps(self) -> Iterator[str]:
        for name, calls in FILE_CALLS.items():
            rows = [death(Kill(KillKind.FILE_STEP, call, name)) for call in range(1, calls + 1)]
            met = sum(1 for row in rows if self._times[row])
            words = f"file_step {name}: {met} of its {calls} calls"
            times = sum(self._times[row] for row in rows)
            histories = sum(self._histories[row] for row in rows)
            yield f"  {words:<56}{times:>10}{histories:>11}"

    def _never(self) -> Iterator[str]:
        wanted = list(dict.fromkeys(_wanted()))
        never = [name for name in wanted if not self._times[name]]
        yield f"{len(wanted) - len(never)} of {len(wanted)} places and faults were met"
        for name in never:
            yield f"  NEVER MET {name}"
