"""Fields that appear while we run: told once each, believed by nobody, stopping nothing.

What a kind of object had when this process first met it, and what we read of it, is nothing new;
between two runs the record of the compatibility check tells (vendors/compatibility_drift.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from shared.contracts.promises import PROMISES

NAMES_MAX = 200
"""Novelties that one process tells; a flood of them does not fill the log."""
log = logging.getLogger("contracts")


class Growth:
    """What each kind of object is known to have."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}
        self._told = 0

    def see(self, kind: str, raw: Mapping[str, object]) -> None:
        """Tell which fields this object has and none of its kind had before."""
        known = self._known.get(kind)
        if known is None:
            self._known[kind] = {*PROMISES[kind].fields, *raw}
            return
        if raw.keys() <= known:
            return
        added = sorted(str(name)[:80] for name in raw.keys() - known)
        if self._told >= NAMES_MAX:
            return
        self._told += len(added)
        known.update(raw)
        names = ", ".join(added[:10])
        log.info(
            "%s has something new that nobody reads: %s",
            kind,
            names,
            extra={"event": "contract_grew", "kind": kind, "added": added[:10]},
        )


GROWTH = Growth()
"""Of this process."""
