"""What a replay refuses, what it drops, and what makes it another market."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.market.opening import MarketRequest, open_market
from shared.errors import ConfigFault
from tests.support.bar_texts import (
    minutes_from,
    replay_of,
    row,
    week_of_two,
    write_bars,
    write_two_symbols,
)

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """AA and BB, as `write_two_symbols` makes them."""
    return write_two_symbols(tmp_path)


def test_rows_outside_the_session_then_dropped_and_counted(tmp_path: Path) -> None:
    """Extended hours, half-day afternoons, weekends and holidays do not play."""
    good = minutes_from("2015-12-24T14:30:00+00:00", 2)
    out = ["2015-12-24T14:29:00Z", "2015-12-24T18:00:00Z", "2015-12-26T15:00:00Z"]
    write_bars(tmp_path, "GG_1min.csv", [*good, *[row(stamp) for stamp in out]])
    market = replay_of(tmp_path)
    assert market.dropped_rows == {"outside_session": 3}
    assert [one.line for one in market.dropped_samples] == [4, 5, 6]
    assert market.ends_at == datetime(2015, 12, 24, 18, 0, tzinfo=UTC)


def test_identity_when_file_range_or_seed_change_then_changes(folder: Path) -> None:
    """Another identity is another market and gets a new simulated account."""
    same = {week_of_two(folder).identity, week_of_two(folder).identity}
    assert len(same) == 1
    other_seed = open_market(MarketRequest(2, Decimal(2), (), folder)).identity
    whole = replay_of(folder).identity
    rows = (folder / "AA_1min.csv").read_text().replace("100.01", "100.02", 1)
    (folder / "AA_1min.csv").write_text(rows)
    assert len({*same, whole, other_seed, week_of_two(folder).identity}) == 4


def test_replay_when_symbol_has_no_file_then_configuration_fault(folder: Path) -> None:
    """The fault names the symbol and those that are there."""
    with pytest.raises(ConfigFault, match=r"no bar file for ZZ .* AA, BB"):
        week_of_two(folder, "AA", "ZZ")


def test_replay_when_no_bar_lies_in_the_range_then_configuration_fault(folder: Path) -> None:
    """A range without a bar would be a replay of nothing."""
    request = MarketRequest(1, Decimal(2), (), folder, date(2020, 1, 1), date(2020, 2, 1))
    with pytest.raises(ConfigFault, match="no bar from 2020-01-01 to 2020-02-01"):
        open_market(request)


def test_replay_when_one_file_is_given_then_its_name_is_the_symbol(folder: Path) -> None:
    """SIM_REPLAY may be a single file, with the usual name or just the symbol's."""
    assert replay_of(folder / "AA_1min.csv").symbols == ("AA",)
    (folder / "AA_1min.csv").rename(folder / "cc.csv")
    assert replay_of(folder / "cc.csv").symbols == ("CC",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "absent", "does not exist"),
        (lambda folder: folder, "no bar file in"),
        (lambda folder: write_bars(folder, "$%_1min.csv", []), "does not name a symbol"),
        (lambda folder: _text(folder, "XX_1min.csv", "hello\n"), "no bar file: its first line"),
        (lambda folder: _text(folder, "XX_1min.csv", ""), "no bar file: its first line is nothing"),
        (lambda folder: write_bars(folder, "XX_1min.csv", []), "no bar from the first"),
    ],
)
def test_replay_when_path_is_no_bars_then_configuration_fault(
    tmp_path: Path, make: object, message: str
) -> None:
    """Every wrong SIM_REPLAY is told in one sentence with the mend."""
    assert callable(make)
    with pytest.raises(ConfigFault, match="SIM_REPLAY") as caught:
        replay_of(make(tmp_path))
    assert message in str(caught.value)


def _text(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder
