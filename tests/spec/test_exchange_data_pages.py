"""Pages of history: whatever their size, together they are the whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.http.data_pages import Cursor, Point, read_page
from services.exchange_sim.http.data_request import DataRefusal, Range
from services.exchange_sim.wire import Document

pytestmark = pytest.mark.unit
BEGIN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HISTORY = st.dictionaries(
    st.sampled_from(["AAPL", "MSFT", "SPY"]), st.lists(st.integers(0, 6), max_size=12), max_size=3
)


@given(HISTORY, st.integers(1, 5), st.booleans())
def test_pages_when_many_points_share_a_moment_then_none_is_lost_or_doubled(
    seconds: dict[str, list[int]], limit: int, newest_first: bool
) -> None:
    """Over several symbols, in both orders, down to one point a page; every page but the last is
    full, and its token survives the wire.
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

    span = Range(BEGIN, BEGIN + timedelta(minutes=1), BEGIN, newest_first)
    found: dict[str, list[Document]] = {}
    cursor = Cursor()
    for _ in range(40):
        page = read_page(read, sorted(history), span, cursor, limit)
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


@pytest.mark.parametrize("token", ["%", "YQ==", "QXxifGM=", "QXx8", "\udcff", "Zm9vfGJhcnxi"])
def test_token_when_it_is_none_of_ours_then_is_refused(token: str) -> None:
    """A sentence, never an exception of another kind."""
    with pytest.raises(DataRefusal, match="invalid page_token"):
        Cursor.read(token)
