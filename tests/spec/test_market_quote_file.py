"""Which rows of a quote file are quotes."""

from __future__ import annotations

import pytest

from services.exchange_sim.market.bar_file import Piece, Window
from services.exchange_sim.market.quote_file import read_quotes

pytestmark = pytest.mark.unit

EVERYTHING = Window(0, 2**40)
AT = "2019-02-11T15:00:00Z"


@pytest.mark.parametrize(
    "bad",
    [
        f"{AT},99,100",
        f"{AT},101,1,100,1",
        f"{AT},NaN,1,100,1",
        f"{AT},0,1,100,1",
        f"{AT},99,-1,100,1",
        f"{AT},99,1,1e30,1",
        f"{AT},1e-99999999999,1,100,1",
    ],
)
def test_quote_row_when_broken_then_dropped_and_counted(bad: str) -> None:
    """A quote that cannot have stood, or that nobody could compute with, is left out."""
    good = "2019-02-11T15:01:00Z,99,1,100,1"

    rows = read_quotes(Piece("X_1min_quote.csv", 2, [bad, good]), EVERYTHING)

    assert len(rows.sides) == 1
    assert dict(rows.dropped) == {"quote_broken": 1}
