"""JSON and msgpack of the data stream: one message, written in each."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgpack
import pytest

from services.exchange_sim.stamps import Stamp, tick_stamp, whole_stamp
from services.exchange_sim.streams.dialects import (
    JsonDialect,
    Message,
    PackedDialect,
    dialect_for,
)

pytestmark = pytest.mark.unit


def test_dialects_when_writing_one_message_then_say_the_same_with_nanoseconds() -> None:
    """JSON has nine fraction digits, msgpack the same moment as a timestamp of nanoseconds."""
    at = datetime(2026, 1, 5, 14, 30, 5, 123_456, tzinfo=UTC)
    stamp = tick_stamp("AAPL", at)
    message = Message("trades", "AAPL", {"T": "t", "S": "AAPL", "t": stamp, "c": ["@"], "p": 1.5})

    text = json.loads(JsonDialect().write([message, message]))
    packed = msgpack.unpackb(PackedDialect().write([message, message]))

    assert len(text) == len(packed) == 2
    assert text[0]["t"].startswith("2026-01-05T14:30:05.123456")
    assert len(text[0]["t"]) == len("2026-01-05T14:30:05.123456789Z")
    assert packed[0]["t"].to_unix_nano() == stamp.unix_ns
    assert str(stamp.unix_ns)[-9:] == text[0]["t"][20:29]
    assert {**packed[0], "t": stamp} == {**text[0], "t": stamp}
    assert whole_stamp(at) == "2026-01-05T14:30:05Z"


@pytest.mark.parametrize("count", [0, 1, 15, 16, 40_000])
def test_packed_frame_of_any_size_then_is_one_list(count: int) -> None:
    """The head of a long list is written as msgpack wants it."""
    message = Message("bars", "A", {"T": "b", "t": Stamp.of("x", 1)})
    assert len(msgpack.unpackb(PackedDialect().write([message] * count))) == count


@pytest.mark.parametrize("frame", [b"", b"\xff\xfe", b"[1]", b"{", b"\xc1", b"[" * 5000])
def test_frame_when_it_is_no_message_then_both_dialects_say_so(frame: bytes) -> None:
    """Nothing a client sends raises."""
    assert JsonDialect().read(frame) is None
    assert PackedDialect().read(frame) is None


def test_dialect_when_a_packed_client_sends_json_then_it_is_understood() -> None:
    """Only the answers follow the Content-Type."""
    assert dialect_for("application/msgpack").read(b'{"action":"auth"}') == {"action": "auth"}
    assert dialect_for("").text
    assert not dialect_for("Application/MsgPack").text
