"""A foreign value as a message may show it: short, however large or deep it is."""

from __future__ import annotations

import reprlib

SHOWN_CHARACTERS_MAX = 80
_SHORT = reprlib.Repr()
# reprlib bounds depth and count; its texts and numbers are cut below, with everything else.
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 2 * SHOWN_CHARACTERS_MAX


def shown(value: object) -> str:
    """Return the value's repr, cut to 80 characters; never a whole payload."""
    text = _SHORT.repr(value)
    if len(text) <= SHOWN_CHARACTERS_MAX:
        return text
    return text[: SHOWN_CHARACTERS_MAX - 1] + "…"
