"""The record of what the vendors' replies looked like: kept at each check, compared by day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from shared.clock import Clock
from shared.config.settings import Settings
from shared.contracts.promises import version_of
from shared.contracts.shapes import Change, Shape, changes
from shared.persistence.contract_record import ContractRecord, Day, Recorded


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs in one kind of reply between two days, or two checks."""

    reply: str
    before: Recorded
    after: Recorded
    found: tuple[Change, ...]

    @property
    def concerns_us(self) -> bool:
        """Whether a field that we read went or changed its type."""
        return any(change.is_read for change in self.found)

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        versions = f"contract {self.before.version} → {self.after.version}"
        prints = f"{self.before.fingerprint} → {self.after.fingerprint}"
        yield f"{self.reply}: {versions}, fingerprint {prints}"
        yield from (f"  {change.line}" for change in self.found)


def between(before: Day, after: Day) -> list[Drift]:
    """Return what differs, by reply; what was asked on one of the two days alone does not."""
    found = []
    for reply in sorted(before.keys() & after.keys()):
        old, new = before[reply], after[reply]
        differences = tuple(changes(old.shape, new.shape))
        if differences:
            found.append(Drift(reply, old, new, differences))
    return found


class DriftWatch:
    """Compares the replies of one area with the last record, then adds them to today's."""

    def __init__(self, settings: Settings, area: str, clock: Clock) -> None:
        self._record = record_of(settings, area)
        self._today = clock.utc_now().date()

    def news(self, shapes: Mapping[str, Shape]) -> list[str]:
        """Return a line per novelty, each told once, and record. Raises SystemFault when the disk
        refuses.
        """
        known = self._known()
        seen = {name: Recorded(version_of(name), shape) for name, shape in shapes.items()}
        self._record.add(self._today, shapes)
        return [change.line for drift in between(known, seen) for change in drift.found]

    def _known(self) -> Day:
        today = self._record.load(self._today)
        earlier = self._record.latest_before(self._today)
        return (earlier[1] if earlier is not None else {}) | today


def record_of(settings: Settings, area: str) -> ContractRecord:
    """Return the record of the settings' mode."""
    return ContractRecord(settings.logs.contracts, settings.trading_mode.value, area)


def drift_of_days(
    record: ContractRecord, first: date | None, last: date | None
) -> tuple[date, date, list[Drift]] | None:
    """Return what changed between two recorded days, by default the two newest; None when there
    are no two. Raises SystemFault.
    """
    days = record.days()
    last = last or (days[-1] if days else None)
    earlier = [day for day in days if last is not None and day < last]
    first = first or (earlier[-1] if earlier else None)
    if first is None or last is None or not {first, last} <= set(days):
        return None
    return first, last, between(record.load(first), record.load(last))
