"""Reads what the other processes wrote. A source that fails is a sentence, never an exception."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from services.dashboard.documents import Document, EmergencyStop, Reading
from services.dashboard.log_tail import last_lines
from shared.clock import Clock
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SchemaFault, SystemFault, TransientFault
from shared.persistence.atomic_file import Missing, read_document
from shared.persistence.document import parse_object
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.persistence.ledger import LedgerReader

HEALTH_BYTES_MAX = 4_000_000
STATUS_BYTES_MAX = 8_000_000
BOT_STATUS_VERSION = 1
EQUITY_POINTS_MAX = 5_000
DENIALS_MAX = 100
TRADES_MAX = 100
DRILLS_MAX = 500
CHAOS_LINES_MAX = 20

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What the ledger held when its files last changed."""

    signature: tuple[tuple[int, int], ...] = ()
    equity: tuple[Document, ...] = ()
    denials: tuple[Document, ...] = ()
    trades: tuple[Document, ...] = ()


class _LinesFile:
    """The last lines of a file of JSON lines, read again only when the file has changed."""

    def __init__(self, path: Path, count_max: int) -> None:
        self._path, self._count_max = path, count_max
        self._signature = (0, 0)
        self._lines: tuple[Document, ...] = ()

    def read(self) -> tuple[Document, ...]:
        """Return them, oldest first; none without a file. Raises TransientFault when there is a
        file that cannot be read.
        """
        signature = _signature(self._path)
        if signature != self._signature:
            lines = last_lines(self._path) if any(signature) else []
            if lines is None:
                raise TransientFault(f"{self._path.name} cannot be read as a plain file")
            self._lines, self._signature = tuple(lines[-self._count_max :]), signature
        return self._lines


class Sources:
    """One reader of the folders of state and logs. Blocking; used by one thread."""

    def __init__(self, paths: StatePaths, logs: LogPaths, clock: Clock) -> None:
        self._paths = paths
        self._drills = _LinesFile(logs.drills / "history.jsonl", DRILLS_MAX)
        self._chaos = _LinesFile(logs.service("chaos"), CHAOS_LINES_MAX)
        self._clock = clock
        self._stop = EmergencyStopFile(paths.emergency_stop)
        self._reader = LedgerReader(paths.ledger)
        self._ledger = _Ledger()
        self._problems: dict[str, str] = {}

    def read(self) -> Reading:
        """Read everything once. What cannot be read keeps its last or an empty value, and why
        stands in `problems`.
        """
        self._problems = {}
        # no bytes at all are not the same as no file: unreadable, not missing
        unreadable: bytes | None = b""
        health = self._attempt("health.json", self._health, unreadable)
        status = self._attempt("bot_status.json", self._bot_status, None)
        self._ledger = self._attempt("ledger.db", self._read_ledger, self._ledger)
        return Reading(
            at=self._clock.utc_now(),
            boottime_s=self._clock.boottime_s(),
            boot_id=self._clock.boot_id(),
            health=health,
            bot_status=status,
            emergency_stop=self._emergency_stop(),
            equity=self._ledger.equity,
            denials=self._ledger.denials,
            trades=self._ledger.trades,
            drills=self._attempt("drills/history.jsonl", self._drills.read, ()),
            chaos=self._attempt("chaos.jsonl", self._chaos.read, ()),
            problems=self._problems,
        )

    def _attempt(self, name: str, work: Callable[[], Found], otherwise: Found) -> Found:
        try:
            return work()
        except (SystemFault, OSError, ValueError) as failure:
            self._problems[name] = str(failure)
            return otherwise

    def _health(self) -> bytes | None:
        raw = read_document(self._paths.health, HEALTH_BYTES_MAX)
        return None if isinstance(raw, Missing) else raw

    def _bot_status(self) -> Document | None:
        raw = read_document(self._paths.bot_status, STATUS_BYTES_MAX)
        if isinstance(raw, Missing):
            return None
        document = parse_object(raw)
        version = document.get("schema_version")
        if version != BOT_STATUS_VERSION:
            raise SchemaFault(f"it is of version {version}; this page knows {BOT_STATUS_VERSION}")
        return document

    def _emergency_stop(self) -> EmergencyStop | None:
        note = self._stop.read()
        if note is None:
            return None
        return EmergencyStop(note.reason, note.by, note.at, note.flatten)

    def _read_ledger(self) -> _Ledger:
        """Query only when one of the database's files has changed.

        Raises TransientFault when the whole folder is gone: that is not a ledger without rows.
        """
        if not self._paths.root.is_dir():
            raise TransientFault("the state folder is gone")
        signature = (
            _signature(self._paths.ledger),
            _signature(self._paths.ledger.with_name(self._paths.ledger.name + "-wal")),
        )
        if signature == self._ledger.signature:
            return self._ledger
        return _Ledger(
            signature,
            self._reader.equity(EQUITY_POINTS_MAX),
            self._reader.denials(DENIALS_MAX),
            self._reader.trades(TRADES_MAX),
        )


def _signature(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_size)
