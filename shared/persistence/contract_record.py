"""What the vendors' replies looked like, day by day: one small file per mode, area and UTC day.

`logs/contracts/<mode>.<area>.<day>.json`, written by the compatibility check of that area alone.
A file holds shapes (names and types of fields), never a value. The newest sixty days are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from shared.contracts.promises import version_of
from shared.contracts.shapes import Shape, fingerprint, updated
from shared.errors import SchemaFault, TransientFault
from shared.persistence.atomic_file import Missing, TooLarge, read_document, write_document

SCHEMA_VERSION = 1
DAYS_KEPT = 60
FILE_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """One kind of reply on one day: the version of our contract then, and the shape."""

    version: int
    shape: Shape

    @property
    def fingerprint(self) -> str:
        """A short name of the shape."""
        return fingerprint(self.shape)


Day = dict[str, Recorded]
"""By the name of the reply."""


class ContractRecord:
    """The record of one mode and area."""

    def __init__(self, folder: Path, mode: str, area: str) -> None:
        self._folder = folder
        self._prefix = f"{mode}.{area}."

    def days(self) -> list[date]:
        """Return the recorded days, oldest first."""
        found = []
        for path in self._folder.glob(f"{self._prefix}*.json"):
            try:
                found.append(date.fromisoformat(path.name[len(self._prefix) : -len(".json")]))
            except ValueError:
                continue  # a file that somebody else put there
        return sorted(found)

    def load(self, day: date) -> Day:
        """Return a day; empty when it was not recorded, or is damaged: it only informs.

        Raises SchemaFault for a file of a newer version, TransientFault when the disk refuses.
        """
        try:
            raw = read_document(self._path(day), FILE_BYTES_MAX)
        except TooLarge:
            return {}
        if isinstance(raw, Missing):
            return {}
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError):
            return {}
        if not isinstance(document, dict) or not isinstance(document.get("replies"), dict):
            return {}
        version = document.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise SchemaFault(f"{self._path(day).name} is of version {version}, newer than ours")
        return _replies_of(document["replies"])

    def latest_before(self, day: date) -> tuple[date, Day] | None:
        """Return the newest day before that one, None when there is none."""
        earlier = [one for one in self.days() if one < day]
        return (earlier[-1], self.load(earlier[-1])) if earlier else None

    def add(self, day: date, shapes: Mapping[str, Shape]) -> None:
        """Bring the day's file up to what was seen. Raises TransientFault, SchemaFault."""
        known = self.load(day)
        for reply, shape in shapes.items():
            seen = known[reply].shape if reply in known else {}
            known[reply] = Recorded(version_of(reply), updated(seen, shape))
        document = {
            "schema_version": SCHEMA_VERSION,
            "day": day.isoformat(),
            "replies": {name: _document_of(one) for name, one in sorted(known.items())},
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as failure:
            raise TransientFault(f"the record cannot be kept: {failure.strerror}") from failure
        write_document(self._path(day), json.dumps(document, indent=1).encode() + b"\n")
        for old in self.days()[:-DAYS_KEPT]:
            self._path(old).unlink(missing_ok=True)

    def _path(self, day: date) -> Path:
        return self._folder / f"{self._prefix}{day.isoformat()}.json"


def _document_of(recorded: Recorded) -> dict[str, object]:
    return {
        "contract_version": recorded.version,
        "fingerprint": recorded.fingerprint,
        "shape": {path: sorted(recorded.shape[path]) for path in sorted(recorded.shape)},
    }


def _replies_of(raw: Mapping[str, object]) -> Day:
    day: Day = {}
    for name, one in raw.items():
        shape = one.get("shape") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(shape, dict):
            continue
        words = {
            path: frozenset(map(str, seen))
            for path, seen in shape.items()
            if isinstance(seen, list)
        }
        version = one.get("contract_version")
        day[name] = Recorded(version if isinstance(version, int) else 0, words)
    return day
