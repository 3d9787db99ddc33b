"""Which rows of a bar file are bars, and why the others are dropped."""

from __future__ import annotations

import random
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.market.bar_file import (
    HEADER,
    BarRows,
    Window,
    read_rows,
)
from services.exchange_sim.market.row_file import RowFile, note
from shared.errors import ConfigFault
from tests.support.bar_texts import file_text, minutes_from, row

pytestmark = pytest.mark.unit

EVERYTHING = Window(0, 2**40)
START = "2019-02-11T14:30:00Z"
GOOD = minutes_from("2019-02-11T14:30:00+00:00", 10)
AT = "2019-02-11T15:00:00Z"


def read(text: str, window: Window = EVERYTHING) -> BarRows:
    """Read a file of that text, all of its pieces put together."""
    whole = BarRows()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "X_1min.csv")
        path.write_bytes(text.encode())
        file = RowFile(path, "bar", HEADER)
        note(whole, file)
        for number in file.index.within(window):
            rows = read_rows(file.piece(number), window)
            note(whole, rows)
            whole.minutes += rows.minutes
            whole.prices += rows.prices
    return whole


def rows_of(rows: list[str]) -> BarRows:
    """Read a whole file of these rows."""
    return read(file_text(rows))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (f"{AT},100,101,99,100", "columns"),
        (f"{AT},100,101,99,100,5,6", "columns"),
        (f"{AT},,101,99,100,5", "not_a_number"),
        (f"{AT},abc,101,99,100,5", "not_a_number"),
        (f"{AT},NaN,101,99,100,5", "not_a_number"),
        (f"{AT},100,Infinity,99,100,5", "not_a_number"),
        (f"{AT},-100,101,-101,100,5", "not_positive"),
        (f"{AT},100,101,0,100,5", "not_positive"),
        (f"{AT},1e999999999,1e999999999,1e999999999,1e999999999,5", "out_of_range"),
        (f"{AT},100,1e30,99,100,5", "out_of_range"),
        (f"{AT},1e-99999999999,1e-9,1e-99999999999,1e-9,5", "out_of_range"),
        (f"{AT},100,99,101,100,5", "low_above_high"),
        (f"{AT},102,101,99,100,5", "outside_low_high"),
        (f"{AT},100,101,99,98,5", "outside_low_high"),
        (f"{AT},100,101,99,100,-5", "volume"),
        (f"{AT},100,101,99,100,5.5", "volume"),
        (f"{AT},100,101,99,100,99999999999999999", "volume"),
        ("yesterday,100,101,99,100,5", "timestamp"),
        ("2019-02-30T15:00:00Z,100,101,99,100,5", "timestamp"),
        ("2019-02-11T15:00:30Z,100,101,99,100,5", "timestamp"),
        ("2019-02-11T15:00:00,100,101,99,100,5", "timestamp"),
        ("\x00\x01\x02", "timestamp"),
    ],
)
def test_row_when_broken_then_dropped_and_counted_with_its_reason(bad: str, reason: str) -> None:
    """One broken row among good ones costs that row alone, and its line is kept for the log."""
    rows = rows_of([*GOOD[:4], bad, *GOOD[4:]])
    assert len(rows.minutes) == len(GOOD)
    assert rows.dropped == {reason: 1}
    assert [(one.line, one.reason, one.row) for one in rows.samples] == [(6, reason, bad)]


@pytest.mark.parametrize(
    "stamp",
    ["2019-02-11T15:00:00+00:00", "2019-02-11T10:00:00-05:00", "2019-02-11T15:00:00.000000Z"],
)
def test_row_when_timestamp_is_written_otherwise_then_is_the_same_minute(stamp: str) -> None:
    """Offsets and fractions are other words for the same minute."""
    assert rows_of([row(stamp)]).minutes == rows_of([row(AT)]).minutes


def test_row_when_repeated_then_the_first_one_counts() -> None:
    """A second row of the same minute is a duplicate, whatever its prices."""
    rows = rows_of([*GOOD, row(START, "55.00")])
    assert rows.dropped == {"duplicate": 1}
    assert rows.prices[0][0] == Decimal("100.00")


def test_row_when_one_comes_far_too_early_then_only_that_one_is_dropped() -> None:
    """A stray late row at the top must not make the whole day look unsorted."""
    rows = rows_of([row("2019-02-11T20:59:00Z"), *GOOD])
    assert rows.dropped == {"unsorted": 1}
    assert len(rows.minutes) == len(GOOD)


def test_file_when_it_has_windows_line_ends_and_a_byte_order_mark_then_is_read() -> None:
    """What a spreadsheet writes is a bar file too."""
    text = "\ufeff" + file_text(GOOD).replace("\n", "\r\n")
    rows = read(text)
    assert len(rows.minutes) == len(GOOD)
    assert not rows.dropped


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "%PDF-1.7", "timestamp,open,high,low,close\n"])
def test_file_when_header_is_another_then_configuration_fault_names_all(text: str) -> None:
    """The fault names the file, what was found, what is expected, and the mend."""
    with pytest.raises(ConfigFault) as caught:
        read(text)
    message = str(caught.value)
    assert "/X_1min.csv is no bar file" in message
    assert "timestamp,open,high,low,close,volume" in message
    assert "Give the file that header" in message


def test_samples_when_many_rows_are_broken_then_ten_are_kept() -> None:
    """All are counted, ten are shown, each cut to a bearable length."""
    rows = rows_of([*GOOD, *[f"{AT},{'9' * 500}"] * 50])
    assert rows.dropped == {"columns": 50}
    assert len(rows.samples) == 10
    assert max(len(one.row) for one in rows.samples) == 200


def test_window_when_narrow_then_rows_outside_are_neither_read_nor_counted() -> None:
    """A broken row of another week is no matter of this replay."""
    whole = rows_of(GOOD)
    text = file_text([*GOOD, "2019-03-01T15:00:00Z,-1,0,0,0,0"])
    rows = read(text, Window(whole.minutes[2], whole.minutes[5]))
    assert rows.minutes == whole.minutes[2:5]
    assert not rows.dropped


@given(st.lists(st.integers(0, 40), max_size=60))
def test_rows_in_any_order_then_kept_ones_rise_and_none_is_lost(minutes: list[int]) -> None:
    """Kept and dropped rows add up, and the kept ones rise strictly."""
    stamps = [f"2019-02-11T15:{minute:02d}:00Z" for minute in minutes]
    rows = rows_of([row(stamp) for stamp in stamps])
    assert rows.minutes == sorted(set(rows.minutes))
    assert len(rows.minutes) + rows.dropped.total() == len(minutes)
    assert bool(rows.minutes) == bool(minutes)


@given(st.integers(0, 2**32))
def test_rows_when_bytes_are_damaged_at_random_then_every_kept_bar_is_sane(seed: int) -> None:
    """Whatever is hit, the reader neither raises nor lets an impossible bar pass."""
    dice = random.Random(seed)
    text = list("\n".join(GOOD))
    for _ in range(10):
        text[dice.randrange(len(text))] = chr(dice.randrange(32, 127))
    rows = rows_of("".join(text).split("\n"))
    for opened, high, low, close, volume in rows.prices:
        assert 0 < low <= min(opened, close) <= max(opened, close) <= high
        assert volume >= 0
