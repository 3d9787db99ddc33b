"""Pure: what processes say of a fault, in the length and the stamps that people read.

The API gives the words as they were said; on the page what is long and says nothing goes.
"""

from __future__ import annotations

import re
from datetime import datetime

from services.dashboard import formats
from services.dashboard.tolerant import moment_of

WORDS_CHARACTERS_MAX = 4_000
PART_CHARACTERS_MAX = 180
_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_QUERY = re.compile(r"(/[^\s?]*)\?[^\s)]{12,}")
_BETWEEN = "; "


def readable(words: str, now: datetime) -> str:
    """Return a cause with its stamps as times, without the queries of addresses, each part of it
    short enough to be read.
    """

    def as_time(found: re.Match[str]) -> str:
        moment = moment_of({"at": found[0]}, "at")
        return found[0] if moment is None else formats.clock_text(moment, now)

    plain = _STAMP.sub(as_time, _QUERY.sub(r"\1?…", words[:WORDS_CHARACTERS_MAX]))
    return _BETWEEN.join(_short(part) for part in plain.split(_BETWEEN))


def _short(part: str) -> str:
    """A long part loses its middle: who says it stands at its beginning, since when at its end."""
    if len(part) <= PART_CHARACTERS_MAX:
        return part
    length = PART_CHARACTERS_MAX // 4
    begin, end = part[: PART_CHARACTERS_MAX - length], part[-length:]
    # at the edge of a word, where there is one
    begin, end = begin.rpartition(" ")[0] or begin, end.partition(" ")[2] or end
    return f"{begin} … {end}"
