"""Whether people were told the truth: the dashboard's words and the alerts, judged. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from chaos.evidence import FAILED, OK, AlertSaid, PageSaid, Sample, spans
from shared.models.health import Status

PAGE_DUE_S, WARN_DUE_S = 10.0, 18.0
"""Within so long a FAILED and whatever is not OK must have reached people: two and ten seconds of
patience, and eight for the delivery on a busy machine."""
SAME_TROUBLE_S = 5.0
"""What comes back within so long is the trouble that people know of already."""
URGENT = "failure"
"""As apprise calls the kind of a page."""
_RANK: Mapping[str, int] = MappingProxyType({str(one): n for n, one in enumerate(Status)})


def better_pages(pages: Sequence[PageSaid]) -> list[str]:
    """Return the answers of the dashboard that were better than anything health.json said."""
    lies = Counter(
        f"it said {page.overall} while health.json said {', '.join(sorted(page.file))}"
        for page in pages
        if page.file and _RANK[page.overall] < min(_RANK[word] for word in page.file)
    )
    return [f"{text} ({count} times)" for text, count in lies.items()]


def untold(samples: Sequence[Sample], alerts: Sequence[AlertSaid], is_quiet: bool) -> list[str]:
    """Return the failures that nobody was told of in time, and what was told twice.

    In the quiet hours what is not urgent waits for the morning.
    """
    found = _unheard(samples, alerts, lambda one: one.overall == FAILED, PAGE_DUE_S, urgent=True)
    if not is_quiet:
        found += _unheard(samples, alerts, lambda one: one.overall != OK, WARN_DUE_S)
    times = Counter((one.title, one.body) for one in alerts)
    return found + [
        f"told {count} times: {title}" for (title, _), count in times.items() if count > 1
    ]


def _unheard(
    samples: Sequence[Sample],
    alerts: Sequence[AlertSaid],
    holds: Callable[[Sample], bool],
    due_s: float,
    *,
    urgent: bool = False,
) -> list[str]:
    told = [one.at_s for one in alerts if not one.is_end and (one.kind == URGENT or not urgent)]
    troubles = _troubles(samples)
    found = []
    for begin, end in spans(samples, holds):
        since = max((trouble for trouble in troubles if trouble <= begin), default=begin)
        is_told = any(since <= at_s <= begin + due_s for at_s in told)
        if end - begin > due_s and not is_told:
            found.append(f"nobody was told within {due_s:g} s of what lasted {end - begin:.1f} s")
    return found


def _troubles(samples: Sequence[Sample]) -> list[float]:
    """Return when each trouble began: one that comes back before its end is believed is the same,
    and not told anew.
    """
    begins: list[float] = []
    ended = float("-inf")
    for begin, end in spans(samples, lambda one: one.overall != OK):
        if begin - ended > SAME_TROUBLE_S:
            begins.append(begin)
        ended = end
    return begins
