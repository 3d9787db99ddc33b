"""The one failure of a contract: where, what was promised, what came instead.

Whoever finds one keeps the evidence: the first of its kind is logged with the raw payload, into
the log of its process, which is bounded and in which secrets are masked.
"""

from __future__ import annotations

import json
import logging
import re

from shared.errors import SchemaFault
from shared.models.shown import shown

EVIDENCE_CHARACTERS_MAX = 4_000
EVIDENCE_KINDS_MAX = 200
"""Kinds of drift whose payload one process keeps; a flood of novelties does not fill the log."""
_MEMBER = re.compile(r"\[\d+\].*")
log = logging.getLogger("contracts")


class SchemaDrift(SchemaFault):
    """A reply that breaks its contract on a field we use.

    `path` names the field (`orders[3].legs[0].status`), `expected` says in words what was
    promised, `found` is a short picture of what came.
    """

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(f"{path}: expected {expected}, found {found}")
        self.path = path
        self.expected = expected
        self.found = found

    @property
    def promise(self) -> str:
        """What was expected, without the values of this one case: the words to count by."""
        return self.expected.partition(":")[0]


class Evidence:
    """What has been kept so far: each kind of drift once."""

    def __init__(self) -> None:
        self._kinds: set[tuple[str, ...]] = set()

    def keep(self, drift: SchemaDrift, raw: object) -> None:
        """Log the drift with the raw value in which it was found, if it is the first of its kind.

        The same field of another row, and the same type found in it, is the same kind.
        """
        first, _, last = drift.path.rpartition(".")
        kind = (_MEMBER.sub("", first).split(".")[0], last, drift.found.split(" ")[0])
        if kind in self._kinds or len(self._kinds) >= EVIDENCE_KINDS_MAX:
            return
        self._kinds.add(kind)
        facts = {"path": drift.path, "expected": drift.expected, "found": drift.found}
        log.warning(
            "a contract is broken: %s",
            drift,
            extra={
                "event": "contract_broken",
                "failure_class": str(drift.failure_class),
                "raw": _text_of(raw),
                **facts,
            },
        )


EVIDENCE = Evidence()
"""Of this process."""


def broken(path: str, expected: str, raw: object) -> SchemaDrift:
    """Return the failure of a whole value, to be raised; the value is kept as evidence."""
    drift = SchemaDrift(path, expected, picture(raw))
    EVIDENCE.keep(drift, raw)
    return drift


def picture(value: object) -> str:
    """Return a short text of a raw value for a message; long values are cut."""
    return f"{type(value).__name__} {shown(value)}"


def _text_of(raw: object) -> str:
    try:
        text = json.dumps(raw, default=str)
    except (TypeError, ValueError, RecursionError):
        text = picture(raw)
    return text[:EVIDENCE_CHARACTERS_MAX]
