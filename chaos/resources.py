"""Whether what lives long stays as small as it was: memory, descriptors and files over a run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from services.supervisor.processes import usage

READINGS_MIN = 6
RSS_FACTOR_MAX, RSS_SLACK_BYTES = 1.3, 16_000_000
DESCRIPTORS_SLACK, FILES_SLACK = 8, 12
SET_ASIDE = ".corrupt."
"""In a file's name: what is damaged is kept for ever, by contract, one file for each damage."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one process held at one moment."""

    role: str
    pid: int
    rss_bytes: int
    descriptors: int


def read(pids: Mapping[str, int]) -> list[Reading]:
    """Read every process that still lives."""
    found = []
    for role, pid in pids.items():
        with suppress(OSError):
            used = usage(pid)
            if used is not None:
                count = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names are not needed
                found.append(Reading(role, pid, used.rss_bytes, count))
    return found


def count_files(*folders: Path) -> int:
    """Return how many files stand in the folders, without those that were set aside."""
    return sum(
        SET_ASIDE not in name
        for folder in folders
        for _, _, names in os.walk(folder)
        for name in names
    )


def growth_of_files(counts: Sequence[int]) -> list[str]:
    """Return how many files one system gained, if that is more than it needs at work."""
    if len(counts) < READINGS_MIN:
        return []
    third = len(counts) // 3
    before, after = _median(counts[:third]), _median(counts[-third:])
    if after <= before + FILES_SLACK:
        return []
    return [f"state/ and logs/ went from {before:.0f} to {after:.0f} files"]


def growth(readings: Sequence[Reading]) -> list[str]:
    """Return who grew: the last third of a process's readings beside its first third."""
    by_process: dict[tuple[str, int], list[Reading]] = {}
    for one in readings:
        by_process.setdefault((one.role, one.pid), []).append(one)
    found = []
    for (role, pid), line in by_process.items():
        if len(line) < READINGS_MIN:
            continue
        third = len(line) // 3
        first, last = line[:third], line[-third:]
        before, after = _median(one.rss_bytes for one in first), _median(o.rss_bytes for o in last)
        if after > before * RSS_FACTOR_MAX + RSS_SLACK_BYTES:
            found.append(f"{role} (pid {pid}) grew from {before:.0f} to {after:.0f} bytes")
        open_before = _median(one.descriptors for one in first)
        open_after = _median(one.descriptors for one in last)
        if open_after > open_before + DESCRIPTORS_SLACK:
            told = f"{open_before:.0f} to {open_after:.0f} descriptors"
            found.append(f"{role} (pid {pid}) went from {told}")
    return found


def _median(values: Iterable[int]) -> float:
    return float(median(values))
