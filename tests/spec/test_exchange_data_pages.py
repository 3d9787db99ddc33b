"""Pages of history: whatever their size, together they are the whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.http.data_pages import Cursor, Page, Point, Source, parts_of, read_page
from services.exchange_sim.http.data_request import DataRefusal, Range
from services.exchange_sim.steps import at_once
from services.exchange_sim.wire import Document

pytestmark = pytest.mark.unit
BEGIN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HISTORY = st.dictionaries(
    st.sampled_from(["AAPL", "MSFT", "SPY"]), st.lists(st.integers(0, 6), max_size=12), max_size=3
)


@given(HISTORY, st.integers(1, 5), st.booleans(), st.integers(1, 90))
def test_pages_when_many_points_share_a_moment_then_none_is_lost_or_doubled(
    seconds: dict[str, list[int]], limit: int, newest_first: bool, part_s: int
) -> None:
    """Over several symbols, in both orders, in parts of any length, down to one point a page;
    every page but the last is full, and its token survives the wire.
    """
    history = {
        symbol: [
            Point(BEGIN + timedelta(seconds=second), {"n": number})
            for number, second in enumerate(sorted(times))
        ]
        for symbol, times in seconds.items()
    }

    def read(symbol: str, span: Range, count: int) -> Sequence[Point]:
        points = [p for p in history.get(symbol, []) if span.start <= p.at <= span.end]
        return (points[::-1] if newest_first else points)[:count]

    end = BEGIN + timedelta(minutes=1)
    span = Range(BEGIN, end, end, newest_first)
    source = Source(read, lambda _symbol: BEGIN - timedelta(days=1), timedelta(seconds=part_s))
    found: dict[str, list[Document]] = {}
    cursor = Cursor()
    for _ in range(40):
        page: Page = at_once(read_page(source, sorted(history), span, cursor, limit))
        for symbol, documents in page.points.items():
            found.setdefault(symbol, []).extend(documents)
        if page.next_token is None:
            break
        assert sum(map(len, page.points.values())) == limit
        cursor = Cursor.read(page.next_token)

    whole = {symbol: [point.document for point in points] for symbol, points in history.items()}
    if newest_first:
        whole = {symbol: documents[::-1] for symbol, documents in whole.items()}
    assert found == {symbol: documents for symbol, documents in whole.items() if documents}


@pytest.mark.parametrize(
    "token",
    ["%", "c3B5fHwxMDAwMQ==", "c3B5fHwtMQ==", "YQ==", "QXxifGM=", "QXx8", "\udcff", "Zm9vfGJhcnxi"],
)
def test_token_when_it_is_none_of_ours_then_is_refused(token: str) -> None:
    """A sentence, never an exception of another kind."""
    with pytest.raises(DataRefusal, match="invalid page_token"):
        Cursor.read(token)


@given(st.integers(0, 300), st.integers(1, 90), st.booleans())
def test_parts_when_put_together_then_are_the_range_without_gap_or_overlap(
    length_s: int, part_s: int, newest_first: bool
) -> None:
    """Each begins the instant after the one before it; none is longer than asked for."""
    end = BEGIN + timedelta(seconds=length_s)
    parts = list(parts_of(Range(BEGIN, end, end, newest_first), timedelta(seconds=part_s)))
    ordered = parts[::-1] if newest_first else parts
    instant = timedelta(microseconds=1)
    assert (ordered[0].start, ordered[-1].end) == (BEGIN, end)
    assert all(one.end - one.start < timedelta(seconds=part_s) for one in parts)
    for one, following in itertools.pairwise(ordered):
        assert following.start - one.end == instant


def test_parts_when_nothing_is_known_yet_then_are_none() -> None:
    """A range that begins later than now."""
    later = BEGIN + timedelta(days=1)
    assert list(parts_of(Range(later, later, BEGIN, False), timedelta(days=1))) == []
