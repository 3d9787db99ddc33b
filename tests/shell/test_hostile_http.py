"""A vendor who answers with anything at all: class, time and memory hold at every HTTP door."""

from __future__ import annotations

import json
import random
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import SystemClock
from shared.errors import ConfigFault, SystemFault, TransientFault
from shared.models.broker import CloseRequested, Rejected, Unknown
from shared.models.portfolio import Account
from shared.resilience.door_rules import DoorRules, FailedCall
from shared.resilience.http_door import DoorAdapter, HttpDoor
from shared.resilience.reply_body import BODY_BYTES_MAX
from tests.support import hostile_http as hostile
from tests.support.alpaca_payloads import raw_bracket
from tests.support.door_calls import CALLS, Call, Doors, Target
from tests.support.raw_server import RawServer, Script, reply_bytes
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ONCE = DoorRules(attempts=1, reads_per_minute=None)
"""One try: how often a read is tried again is told elsewhere."""
HASTY = replace(ONCE, silence_s=0.2, total_s=0.25, holds=False)
"""For replies that never end."""
MARGIN_S = 0.7
SEED, ROUNDS = 20_261, 80
TARGET = Target("904837e3-3b76-47ec-b432-046db621571b", "sht-h5salyam-momentum-0123456789ab", 7)
NAMED = {call.name: call for call in CALLS}
READS = [NAMED[name] for name in ("account", "latest_quotes", "alerts")]
WRITES = [NAMED[name] for name in ("submit entry", "replace")]
NO_HTTP = dict(hostile.no_http())
ODD = dict(hostile.odd_but_whole())


@contextmanager
def doors_at(script: Script, rules: DoorRules = ONCE) -> Iterator[tuple[Doors, RawServer]]:
    """Open every door to a server that answers by the script."""
    with RawServer(script) as server:
        told: list[FailedCall] = []
        doors = Doors(server.url, TARGET, rules, told.append)
        try:
            yield doors, server
        finally:
            doors.close()


def outcome(doors: Doors, call: Call) -> object:
    """Make the call in bounded time; return the fault of a read, the outcome of a write."""
    begun_s = time.monotonic()
    try:
        return call.make(doors)
    except SystemFault as fault:
        return fault
    finally:
        took_s = time.monotonic() - begun_s
        assert took_s < doors.broker.adapter.rules.total_s + MARGIN_S, call.name


def told_of(ask: Callable[[], Iterable[object]]) -> list[object]:
    """Return what a read brings, nothing when it is a fault of ours that can be shown."""
    try:
        return list(ask())
    except SystemFault as fault:
        return [] if len(str(fault)) < 1_000 else [fault]


@pytest.mark.parametrize("name", NO_HTTP)
def test_calls_when_the_reply_is_no_http_then_transient_for_reads_and_unknown_for_writes(
    name: str,
) -> None:
    """Whatever it is, it proves nothing: no keys are wrong, no contract is broken, no order is
    known not to exist; nothing that changes something is sent twice.
    """
    with doors_at(NO_HTTP[name](), HASTY) as (doors, server):
        for call in READS:
            assert isinstance(outcome(doors, call), TransientFault), call.name
        server.requests.clear()
        for call in WRITES:
            assert isinstance(outcome(doors, call), Unknown), call.name
        # A call may have been given up before the server came to read it.
        wait_until(lambda: len(server.requests) >= len(WRITES), 10, "every write at the server")
        assert len(server.requests) == len(WRITES)


@pytest.mark.parametrize("name", ODD)
def test_account_when_the_reply_is_odd_but_whole_then_it_is_read(name: str) -> None:
    """What stands around a good reply is no reason to refuse it."""
    with doors_at(hostile.saying(ODD[name])) as (doors, _):
        assert str(doors.broker.account().equity) == "100000.5"


def test_body_when_larger_than_allowed_then_given_up_and_memory_is_bounded() -> None:
    """A bomb unpacks no further than to the bound, and a plain flood ends there, too."""
    small = hostile.bomb(100)
    for script in (
        hostile.saying(hostile.encoded(small, "gzip")),
        hostile.flooding(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 2**16),
    ):
        with doors_at(script) as (doors, _):
            tracemalloc.start()
            try:
                with pytest.raises(TransientFault, match="oversized_reply"):
                    doors.broker.account()
                _, most_bytes = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert most_bytes < 2.5 * BODY_BYTES_MAX


@pytest.mark.parametrize("status", [401, 500])
def test_refusal_when_its_body_is_huge_then_judged_at_once_and_parks_nobody(status: int) -> None:
    """Ten mebibytes that begin like the broker's own refusal are nobody's word."""
    body = b'{"message": "unauthorized.", "pad": "' + b"x " * 5 * hostile.MEBIBYTE + b'"}'
    page = reply_bytes(body, f"{status} Odd", "Content-Type: text/html; charset=\0utf\r\n")
    with doors_at(hostile.saying(page)) as (doors, _):
        for call in READS:
            assert isinstance(outcome(doors, call), TransientFault), call.name
        assert isinstance(outcome(doors, NAMED["submit entry"]), Unknown)


@pytest.mark.parametrize("status", ["200 OK", "201 X", "202 X", "204 X", "205 X", "206 X"])
def test_read_when_it_succeeds_in_nothing_then_transient(status: str) -> None:
    """An empty success is a gateway's, whatever its number: no contract is broken by it."""
    with doors_at(hostile.saying(f"HTTP/1.1 {status}\r\n\r\n".encode())) as (doors, _):
        for call in READS:
            assert isinstance(outcome(doors, call), TransientFault), call.name


@pytest.mark.parametrize("place", ["{other}/v2/account", "file:///etc/passwd", "//evil.test/", ""])
@pytest.mark.parametrize("status", ["300 X", "301 X", "302 X", "303 X", "304 X", "307 X", "308 X"])
def test_redirect_when_it_points_anywhere_then_no_key_and_no_token_follows(
    status: str, place: str
) -> None:
    """Neither our own doors nor the vendor's client goes there; the address is what is wrong."""
    with RawServer(hostile.saying(reply_bytes(hostile.ACCOUNT))) as other:
        where = f"Location: {place.format(other=other.url)}\r\n"
        with doors_at(hostile.saying(reply_bytes(b"", status, where))) as (doors, server):
            for call in READS:
                assert isinstance(outcome(doors, call), ConfigFault), call.name
            # 303 says where the result is to be seen: the order may have been taken.
            left_behind = Unknown if status == "303 X" else Rejected
            assert isinstance(outcome(doors, NAMED["submit entry"]), left_behind)
            assert len(server.requests) == len(READS) + 1
        assert other.connections == 0


@pytest.mark.parametrize("asked", hostile.ODD_WAITS)
@pytest.mark.parametrize("status", ["429 X", "503 X"])
def test_retry_after_when_it_is_absurd_then_transient_and_bounded(asked: str, status: str) -> None:
    """Ten years, a date beyond the calendar, words: the call ends in time and later ones go on."""
    busy = reply_bytes(b'{"message": "wait"}', status, f"Retry-After: {asked}\r\n")
    rules = DoorRules(total_s=1.0, attempts=2, reads_per_minute=None)
    with RawServer(lambda c, _: c.sendall(busy)) as server:
        door = HttpDoor(DoorAdapter(rules, SystemClock()), {})
        begun_s = time.monotonic()
        with pytest.raises(TransientFault):
            door.get_json(server.url)
        assert time.monotonic() - begun_s < rules.total_s + MARGIN_S
        assert door.adapter.governor.held_s <= 60.0
        door.close()


@pytest.mark.parametrize("number", hostile.NUMBERS, ids=lambda text: text[:24])
def test_numbers_when_no_market_has_them_then_dropped_or_a_fault_of_ours(number: str) -> None:
    """Beyond every float and every exponent: a bar or quote less, never an error of Python's."""
    at = '"t": "2026-01-05T14:30:00Z"'
    bar = f'{{{at}, "o": {number}, "h": {number}, "l": {number}, "c": {number}, "v": {number}}}'
    quote = f'{{{at}, "bp": {number}, "ap": {number}, "bs": {number}, "as": {number}}}'
    flow = f'{{"tracking_id": {number}, "size": {number}, "price": {number}}}'
    body = f'{{"bars": {{"XOM": [{bar}]}}, "quotes": {{"XOM": {quote}}}, "data": [{flow}]}}'
    now = datetime.now(UTC)
    with doors_at(lambda c, _: c.sendall(reply_bytes(body.encode()))) as (doors, _):
        for ask in (
            lambda: doors.data.bars(("XOM",), "1Min", now - timedelta(days=1), now).candles,
            lambda: [q for q in doors.data.latest_quotes(("XOM",)).quotes if q.is_tradable],
            lambda: doors.whales.prints(None).prints,
        ):
            assert told_of(ask) == []
        assert isinstance(outcome(doors, NAMED["account"]), SystemFault)


def test_replies_when_spoilt_by_chance_then_a_value_a_fault_of_ours_or_unknown() -> None:
    """By a seed: whatever comes, nothing of Python's or a library's passes a door, and no success
    that was spoilt says that an order was refused.
    """
    chance = random.Random(SEED)
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hostile.ACCOUNT), hostile.ACCOUNT)
    whole = (
        reply_bytes(hostile.ACCOUNT, headers="Content-Type: application/json\r\n"),
        reply_bytes(json.dumps(raw_bracket()).encode()),
        ODD["gzip"],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
    )
    said = [b""]

    def script(connection: socket.socket, request: bytes) -> None:
        hostile.saying(said[0])(connection, request)

    with doors_at(script, HASTY) as (doors, _):
        for _ in range(ROUNDS):
            said[0] = hostile.spoilt(chance.choice(whole), chance)
            assert isinstance(outcome(doors, READS[0]), Account | SystemFault), said
            found = outcome(doors, WRITES[0])
            assert isinstance(found, Unknown | Rejected), said
            assert isinstance(found, Unknown) or not said[0].startswith(b"HTTP/1.1 200 "), said


def test_bars_when_nobody_asked_for_their_symbol_then_dropped_and_told() -> None:
    """A page full of strangers would fill a store that is bounded per symbol only."""
    bar = {"t": "2026-01-05T14:30:00Z", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}
    bars = {"XOM": [bar], **{f"X{n}": [bar] for n in range(1_000)}}
    body = json.dumps({"bars": bars, "next_page_token": None}).encode()
    now = datetime.now(UTC)
    with doors_at(hostile.saying(reply_bytes(body))) as (doors, _):
        for page in (
            doors.data.bars(("XOM",), "1Min", now - timedelta(days=1), now),
            doors.data.last_bars("XOM", 300, now),
        ):
            assert [candle.symbol for candle in page.candles] == ["XOM"]
            assert 0 < len(page.dropped) < 100


def test_cookies_when_a_vendor_sets_them_without_end_then_none_is_kept_or_sent() -> None:
    """They would grow in memory and in each request, until no server takes our headers."""
    numbers = iter(range(10_000))

    def script(connection: socket.socket, _: bytes) -> None:
        lines = "".join(f"Set-Cookie: c{next(numbers)}={'x' * 500}; Path=/\r\n" for _ in range(50))
        hostile.saying(reply_bytes(hostile.ACCOUNT, headers=lines))(connection, b"")

    with doors_at(script) as (doors, server):
        for call in (*READS, *READS):
            outcome(doors, call)
        assert [one for one in server.requests if b"ookie" in one] == []
        assert len(doors.whales._door.session.cookies) == 0


def test_keys_when_an_object_has_them_twice_then_the_last_counts_for_every_door() -> None:
    """JSON leaves it open; both decoders agree, so that no two parts of us read it differently."""
    body = hostile.ACCOUNT[:-1] + b', "equity": "7"}'
    with doors_at(hostile.saying(reply_bytes(body))) as (doors, server):
        assert str(doors.broker.account().equity) == "7"
        found = doors.whales._door.get_json(server.url)
        assert found == json.loads(body)


def test_close_when_the_status_is_none_then_unknown_and_never_requested() -> None:
    """A number that HTTP does not have is no success, however good its body looks."""
    for status in ("199 X", "600 X", "999 X"):
        with doors_at(hostile.saying(reply_bytes(b"{}", status))) as (doors, _):
            for name in ("cancel", "close_position"):
                assert isinstance(outcome(doors, NAMED[name]), Unknown), (status, name)
    with doors_at(hostile.saying(reply_bytes(b"{}"))) as (doors, _):
        assert isinstance(outcome(doors, NAMED["close_position"]), CloseRequested)
