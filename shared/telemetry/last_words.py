"""What a dying service leaves behind, so that its death can be classified and explained."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.clock import Clock, utc_text
from shared.errors import SystemFault
from shared.persistence.atomic_file import Missing, read_document

WORDS_BYTES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class LastWords:
    """`logs/last_words/<service>.json`: why a process ended by its own decision."""

    pid: int
    started_at: str
    failure_class: str | None
    code: int
    message: str
    at: str

    def as_document(self) -> dict[str, object]:
        """Return the words under the names of CONTRACTS.md section 6."""
        document = asdict(self)
        document["class"] = document.pop("failure_class")
        return document


def write_last_words(log_dir: Path, service: str, words: LastWords) -> None:
    """Write the words, replacing older ones; a full disk is no reason to die differently."""
    folder = log_dir / "last_words"
    temporary = folder / f".{service}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(words.as_document()) + "\n", encoding="utf-8")
        temporary.replace(folder / f"{service}.json")
    except OSError:
        temporary.unlink(missing_ok=True)


def read_last_words(log_dir: Path, service: str, pid: int) -> LastWords | None:
    """Return the last words of that very process, or None when it left none."""
    path = log_dir / "last_words" / f"{service}.json"
    try:
        raw = read_document(path, WORDS_BYTES_MAX)
        if isinstance(raw, Missing):
            return None
        document = json.loads(raw)
        words = LastWords(
            pid=int(document["pid"]),
            started_at=str(document["started_at"]),
            failure_class=document["class"],
            code=int(document["code"]),
            message=str(document["message"]),
            at=str(document["at"]),
        )
    except (SystemFault, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return words if words.pid == pid else None


def words_of_now(clock: Clock, started_at: str, failure: BaseException, code: int) -> LastWords:
    """Return the last words of this process, dying of that failure with that code."""
    failure_class = getattr(failure, "failure_class", None)
    return LastWords(
        pid=os.getpid(),
        started_at=started_at,
        failure_class=str(failure_class) if failure_class is not None else None,
        code=code,
        message=f"{type(failure).__name__}: {failure}",
        at=utc_text(clock.utc_now()),
    )
