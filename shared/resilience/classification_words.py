"""The last resort of the classification: judging an unknown failure by the words of its text.

Used only where no row knows the exception or the status. Rows are tried from above; the first
whose pattern is found decides. How often the words would have said the same as the rows is
counted in classification_tally.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import VENDOR_ERROR_CLASSES, FailureClass, VendorError

TEXT_CHARACTERS_MAX = 2_000
"""A longer text is judged by its beginning: patterns must not wander over megabytes."""

WORD_ROWS: tuple[tuple[str, VendorError | FailureClass], ...] = (
    (
        r"insufficient (buying power|qty|balance|funds)|wash trade|not (allowed to )?short"
        r"|pattern day trad|not (cancel|replace|fraction|tradable)|must be unique"
        r"|market is closed|sub-?penny|(stop|limit).?price|restricted to|rejected by user",
        FailureClass.RISK,
    ),
    (
        r"rate.?limit|too many (requests|connections)|\b429\b|quota|throttl|slow down"
        r"|connection limit",
        VendorError.RATE_LIMIT,
    ),
    (
        r"unauthori[sz]ed|forbidden|not authori[sz]ed|authenticat|(api|secret|access).?key"
        r"|invalid token|credential|permission|not permit|subscription|\b40[13]\b"
        r"|certificate|signature",
        VendorError.AUTH_ERROR,
    ),
    (
        r"time[d ]?.?out|connection|reset by peer|refused|unreachable|broken pipe|\bdns\b"
        r"|name or service|name resolution|temporar|unavailable|bad gateway|gateway|maintenance"
        r"|try again|\b50[0234]\b|\beof\b|hung up|internal (server )?error|network|socket"
        r"|handshake|closed",
        VendorError.NETWORK,
    ),
    (
        r"validation|schema|unexpected (field|key|type|keyword|value)|missing (field|key)"
        r"|field required|not (a )?valid (enum|datetime|decimal|integer|string|number)"
        r"|not subscriptable|has no attribute|deprecat|no longer supported|unknown (field|enum)"
        r"|invalid (enum|literal|format|type)",
        VendorError.SCHEMA_ERROR,
    ),
)

_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), meaning) for pattern, meaning in WORD_ROWS)


@dataclass(frozen=True, slots=True)
class WordVerdict:
    """What the words say. `is_found` is false when none is known: then it is UNKNOWN."""

    failure_class: FailureClass
    vendor_error: VendorError | None
    """None for a refusal that the vendor meant (RISK)."""
    is_found: bool


def judge_words(text: str) -> WordVerdict:
    """Return what the words of a text say; without a known word it is called TRANSIENT."""
    for pattern, meaning in _COMPILED:
        if pattern.search(text[:TEXT_CHARACTERS_MAX]):
            if isinstance(meaning, VendorError):
                return WordVerdict(VENDOR_ERROR_CLASSES[meaning], meaning, True)
            return WordVerdict(meaning, None, True)
    unknown = VendorError.UNKNOWN
    return WordVerdict(VENDOR_ERROR_CLASSES[unknown], unknown, False)
