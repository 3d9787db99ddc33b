"""Reads activities from exchange_sim.db: fills and movements, page by page.

No two activities of an account have the same moment (the books' stamps rise strictly), so a page
is a stretch of time and costs the same wherever it lies.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.exchange_sim.codec import from_text
from services.exchange_sim.movements import Activity, Movement
from services.exchange_sim.records import SimFill
from services.exchange_sim.stamps import unix_us
from services.exchange_sim.wire_activities import FILL

ACTIVITIES_MAX = 100
_SELECT = "SELECT kind, document FROM activities WHERE account_id = :owner"


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """GET /v2/account/activities."""

    kinds: frozenset[str] = frozenset()
    """Empty: of every kind."""
    after: datetime | None = None
    """Exclusive, as `until`."""
    until: datetime | None = None
    visible_until: datetime | None = None
    """Inclusive: what happened later is not shown yet."""
    ascending: bool = False
    page_size: int = ACTIVITIES_MAX
    page_token: str | None = None
    """The id of the last activity of the page before."""


def _activity(kind: str, text: str) -> Activity:
    return from_text(SimFill, text) if kind == FILL else from_text(Movement, text)


class ActivityReader:
    """The activities of one account on disk."""

    def __init__(self, db: sqlite3.Connection, account_id: str) -> None:
        self._db = db
        self._account_id = account_id

    def all(self) -> Iterator[Activity]:
        """Yield every activity, oldest first."""
        for kind, text in self._db.execute(f"{_SELECT} ORDER BY seq", {"owner": self._account_id}):
            yield _activity(str(kind), str(text))

    def page(self, query: ActivityQuery) -> list[Activity]:
        """Return one page; empty after a token that names nothing."""
        words: dict[str, object] = {"owner": self._account_id, "size": query.page_size}
        text = _SELECT
        if query.page_token is not None:
            moment_us = self._moment_us(query.page_token)
            if moment_us is None:
                return []
            text += f" AND at_us {'>' if query.ascending else '<'} :token"
            words["token"] = moment_us
        if len(query.kinds) == 1:
            text += " AND kind = :kind"  # along the index of kinds, however rare this one is
            words["kind"] = next(iter(query.kinds))
        elif query.kinds:
            names = {f"k{place}": kind for place, kind in enumerate(sorted(query.kinds))}
            text += f" AND kind IN ({', '.join(':' + name for name in names)})"
            words |= names
        edges = (("after", ">"), ("until", "<"), ("visible_until", "<="))
        for name, relation in edges:
            moment = getattr(query, name)
            if moment is not None:
                text += f" AND at_us {relation} :{name}"
                words[name] = unix_us(moment)
        text += f" ORDER BY at_us {'ASC' if query.ascending else 'DESC'} LIMIT :size"
        return [_activity(str(kind), str(found)) for kind, found in self._db.execute(text, words)]

    def _moment_us(self, name: str) -> int | None:
        row = self._db.execute(
            "SELECT at_us FROM activities WHERE account_id = ? AND name = ?",
            (self._account_id, name),
        ).fetchone()
        return int(row[0]) if row else None
