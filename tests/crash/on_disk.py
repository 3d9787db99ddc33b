"""What the bot's own files say while a request of it waits to be served."""

from __future__ import annotations

import fcntl
from pathlib import Path

from tests.crash.bot import house_settings


class OnDisk:
    """Looks at the state folder of one history; changes nothing."""

    def __init__(self, folder: Path) -> None:
        state = house_settings(folder).state
        self._lock = state.trading_lock
        self._journal = state.journal

    def is_locked(self) -> bool:
        """Whether somebody holds the trading lock (rule 13)."""
        try:
            with self._lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def knows(self, own_id: str) -> bool:
        """Whether a whole record of the journal holds this order (rule 14); half of one is none."""
        try:
            *records, _ = self._journal.read_bytes().split(b"\n")
        except FileNotFoundError:
            return False
        return any(own_id.encode() in record for record in records)
