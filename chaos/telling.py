"""Whether people were told the truth: the dashboard's words and the alerts, judged. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from chaos.evidence import FAILED, OK, PAGE, AlertSaid, Books, PageSaid, Sample, spans
from shared.models.health import Status

PAGE_DUE_S, WARN_DUE_S = 10.0, 18.0
"""Within so long a FAILED and whatever is not OK must have reached people: two and ten seconds of
patience, and eight for the delivery on a busy machine."""
WARNING = "warning"
"""As apprise calls the kind of what may wait."""
NOTICE = "] LARGE TRADE "
"""What happened once and is no trouble."""
_END = re.compile(r"RECOVERED (?P<subject>.+) after \d+ \w+(?: \d+ \w+)?$")
_RANK: Mapping[str, int] = MappingProxyType({str(one): n for n, one in enumerate(Status)})


def better_pages(pages: Sequence[PageSaid]) -> list[str]:
    """Return the answers of the dashboard that were better than anything health.json said.

    One that was never heard proves nothing, and is told too.
    """
    if not pages:
        return ["it never answered"]
    lies = Counter(
        f"it said {page.overall} while health.json said {', '.join(sorted(page.file))}"
        for page in pages
        if page.file and _RANK[page.overall] < min(_RANK[word] for word in page.file)
    )
    return [f"{text} ({count} times)" for text, count in lies.items()]


def untold(samples: Sequence[Sample], books: Books) -> list[str]:
    """Return the failures that nobody was told of in time, and what was told twice.

    In the quiet hours what is not urgent waits for the morning. What came back before its end was
    told is known already; heartbeat waits the longer with that the more often something returns.
    """
    found = _unheard(samples, books, lambda one: one.overall == FAILED, PAGE_DUE_S, urgent=True)
    if not books.is_quiet:
        found += _unheard(samples, books, lambda one: one.overall != OK, WARN_DUE_S)
    times = Counter((one.title, one.body) for one in books.alerts)
    return found + [
        f"told {count} times: {title}" for (title, _), count in times.items() if count > 1
    ]


def _unheard(
    samples: Sequence[Sample],
    books: Books,
    holds: Callable[[Sample], bool],
    due_s: float,
    *,
    urgent: bool = False,
) -> list[str]:
    found = []
    for begin, end in spans(samples, holds):
        heard = [one for one in (*books.earlier, *books.alerts) if one.at_s <= begin + due_s]
        is_told = _stands(heard, begin, urgent=urgent)
        if end - begin > due_s and not is_told:
            found.append(f"nobody was told within {due_s:g} s of what lasted {end - begin:.1f} s")
    return found


def _stands(heard: Sequence[AlertSaid], begin_s: float, *, urgent: bool) -> bool:
    """Whether people know: something was told since then, or before it, and its end was not."""
    known: set[str] = set()
    for one in heard:
        for title in one.titles:
            ended = _END.search(title)
            if ended is not None:
                subject = re.escape(ended["subject"])
                known = {old for old in known if not re.search(f" {subject}( for .*)?$", old)}
            elif NOTICE not in title and one.kind in (PAGE, *([] if urgent else [WARNING])):
                if one.at_s >= begin_s:
                    return True
                known.add(title)
    return bool(known)
