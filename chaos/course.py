"""The course of a drill: what may not be seen on the way, however well it ended. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from chaos.evidence import ACTIVE, FAILED, OK, Moments, Sample, spans
from chaos.row import Place, Row

END_S = 1.0
"""The exchange ends a fault by its own clock: so long before our end it may be over."""
WORSE_S = 2.0
"""What is worse than expected for longer gets somebody out of bed."""
PARKED_AT_ONCE = ("CONFIG", "SCHEMA", "RISK")
"""Classes of which every end parks (CONTRACTS.md section 2)."""
LAPSE_S = 5.0
"""A market that is sixty times as fast may miss its data for a moment on a busy machine."""


def strayed(row: Row, samples: Sequence[Sample], moments: Moments) -> list[str]:
    """Return every way in which the course was not that of the row."""
    return [
        *_worse(row, samples),
        *_well_too_soon(row, samples, moments),
        *_lapsed(row, samples),
        *unsaid(row, [one for one in samples if one.at_s < _until_s(moments)]),
        *_restarted(row, samples, moments),
    ]


def _worse(row: Row, samples: Sequence[Sample]) -> Iterator[str]:
    """A trouble that passes by itself must not look like one that a person must mend."""
    codes = row.expected.codes
    if not codes or any(code.startswith(FAILED) for code in codes):
        return
    for begin, end in spans(samples, lambda one: one.overall == FAILED):
        if end - begin > WORSE_S:
            yield f"shown as FAILED for {end - begin:.1f} s: worse than {', '.join(codes)}"


def _well_too_soon(row: Row, samples: Sequence[Sample], moments: Moments) -> Iterator[str]:
    """A fault of the world outside, once there was time to see it, is shown until it is over.

    Before that a first sign may come and go: a beat that is late, a call still under way.
    """
    is_outside = row.place in (Place.WIRE, Place.DISK, Place.CLOCK) and bool(row.expected.codes)
    if not is_outside or row.expected.heals_meanwhile or moments.over_s is None:
        return
    first_s = moments.injected_s + row.bounds.detect_s
    last_s = moments.over_s - END_S
    for begin, end in spans(samples, lambda one: one.overall == OK):
        if max(begin, first_s) < min(end, last_s):
            yield f"OK {moments.over_s - max(begin, first_s):.1f} s before the fault was over"


def _lapsed(row: Row, samples: Sequence[Sample]) -> Iterator[str]:
    """Where trading must go on, it does."""
    if row.expected.trading != (ACTIVE,):
        return
    for begin, end in spans(samples, lambda one: one.trading != ACTIVE):
        if end - begin > LAPSE_S:
            yield f"trading was held for {end - begin:.1f} s"


def _until_s(moments: Moments) -> float:
    return math.inf if moments.over_s is None else moments.over_s


def unsaid(row: Row, samples: Sequence[Sample]) -> Iterator[str]:
    """Yield what the row wants to be told and no reason did."""
    for words in row.expected.told:
        if not any(words in one.reason for one in samples):
            yield f"no reason ever said: {words}"


def _restarted(row: Row, samples: Sequence[Sample], moments: Moments) -> Iterator[str]:
    """What only a person can mend is parked at once: no restart would help."""
    if row.failure_class not in PARKED_AT_ONCE:
        return
    for name in row.expected.parked:
        pids = {one.pids.get(name) for one in samples if one.at_s < _until_s(moments)} - {None}
        if len(pids) > 1:
            yield f"{name} was started again {len(pids) - 1} times before it was parked"
