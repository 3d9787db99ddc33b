"""docs/DOORS.md shows the table that the tests hold the doors to, and the numbers of the code."""

from __future__ import annotations

import re

import pytest

from shared.resilience.door_rules import DoorRules
from shared.resilience.governor import HOLD_S_MAX
from shared.resilience.reply_body import BODY_BYTES_MAX
from shared.vendors.alpaca_reads import PAGING_S_MAX
from shared.vendors.broker_clock import REAL_PACE
from shared.vendors.shares import ACCOUNT_PER_MINUTE, ENTRIES, SAFETY, trading_shares
from shared.vendors.websocket_link import BACKOFF_FIRST_S, BACKOFF_MAX_S, LIMIT_PAUSE_S
from shared.vendors.websocket_opening import MESSAGE_BYTES_MAX, OPEN_TIMEOUT_S
from tests.support.door_table import PAGE, page, record

pytestmark = pytest.mark.unit

TEXT = PAGE.read_text(encoding="utf-8")


def test_page_when_the_table_changes_then_it_is_written_anew() -> None:
    """The page holds exactly the recorded table: `python -m tests.support.door_table`."""
    assert page(TEXT, record()) == TEXT


def test_page_when_it_names_a_test_or_a_file_then_it_is_there() -> None:
    """What the page says is shown somewhere can be found there."""
    tests = {path.stem for path in PAGE.parents[1].glob("tests/**/test_*.py")}
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    files = re.findall(r"`((?:shared|services)/[\w/]+\.py)`", TEXT)

    assert named - tests == set()
    assert named
    assert [name for name in files if not (PAGE.parents[1] / name).exists()] == []


def test_page_when_it_names_a_number_then_the_code_has_it() -> None:
    """Every number in the page's list of bounds is the code's own."""
    rules, shares = DoorRules(), trading_shares(REAL_PACE.look_every_s)
    told = dict(re.findall(r"^\| ([a-z][^|]*?) \| ([\d.]+) \|", TEXT, re.M))
    numbers = {
        "connect, seconds": rules.connect_s,
        "silence between two bytes, seconds": rules.silence_s,
        "the whole call, seconds": rules.total_s,
        "tries of a read": rules.attempts,
        "largest reply, unpacked, MiB": BODY_BYTES_MAX / 2**20,
        "largest message of a stream, unpacked, MiB": MESSAGE_BYTES_MAX / 2**20,
        "connecting, opening and shaking hands with a stream, seconds each": OPEN_TIMEOUT_S,
        "one list of the broker, all its pages, seconds": PAGING_S_MAX,
        "reads a second": rules.reads_per_second,
        "orders a second, entries and safety each": rules.orders_per_second,
        "longest Retry-After obeyed, seconds": HOLD_S_MAX,
        "calls of the account a minute": ACCOUNT_PER_MINUTE,
        "reads of the bot a minute": shares.bot_reads,
        "looks at the clock a minute, each process": shares.clock,
        "entries a minute": ENTRIES,
        "protections, exits and cancels a minute": SAFETY,
        "first pause of a stream, seconds": BACKOFF_FIRST_S,
        "longest pause of a stream, seconds": BACKOFF_MAX_S,
        "pause after a connection limit, seconds": LIMIT_PAUSE_S,
    }
    assert {name: float(number) for name, number in told.items()} == numbers
