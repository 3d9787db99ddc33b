"""The one failure of a contract: where, what was promised, what came instead."""

from __future__ import annotations

from shared.errors import SchemaFault
from shared.models.shown import shown


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


def picture(value: object) -> str:
    """Return a short text of a raw value for a message; long values are cut."""
    return f"{type(value).__name__} {shown(value)}"
