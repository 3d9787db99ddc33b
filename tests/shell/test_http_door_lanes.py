"""Lanes of the door: what is withheld, what never is, who is told, and how a stop ends it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.errors import ConfigFault, RiskFault, TransientFault
from shared.resilience.breaker import CallBreaker
from shared.resilience.door_rules import DoorHost, FailedCall
from shared.resilience.door_standing import standing_of_all
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from shared.resilience.lanes import Lane, in_lane
from shared.vendors.door_log import AGAIN_AFTER_S, DoorLog
from tests.support.clock import ManualClock
from tests.support.raw_server import RawServer, reply_bytes

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
FREE = DoorRules(total_s=5.0, reads_per_minute=None)


class Scripted:
    """A server whose status and headers a test sets."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = "200 OK", "", b"{}"
        self.server = RawServer(lambda c, _: c.sendall(self._reply()))

    def _reply(self) -> bytes:
        return reply_bytes(self.body, self.status, self.headers)

    @property
    def url(self) -> str:
        return self.server.url + "/v2/x?token=hidden"

    @property
    def count(self) -> int:
        return len(self.server.requests)


@pytest.fixture
def far() -> Iterator[Scripted]:
    scripted = Scripted()
    with scripted.server:
        yield scripted


def test_entry_when_its_breaker_is_open_then_withheld_and_safety_goes_out(far: Scripted) -> None:
    """Failing entries stop themselves; reads keep their own count; protection is never held."""
    clock = ManualClock()
    breakers = {lane: CallBreaker(lane, clock, failures_max=2) for lane in Lane}
    door = HttpDoor(DoorAdapter(FREE, clock, breakers), {})
    far.status = "503 X"
    for _ in range(2):
        with in_lane(Lane.ENTRY), pytest.raises(TransientFault, match="broker_error"):
            door.post_json(far.url, {}, 5)
    with in_lane(Lane.ENTRY), pytest.raises(TransientFault, match="entry calls pause"):
        door.post_json(far.url, {}, 5)
    assert far.count == 2
    assert breakers[Lane.READ].state == "closed"
    for _ in range(4):
        with in_lane(Lane.SAFETY), pytest.raises(TransientFault, match="broker_error"):
            door.post_json(far.url, {}, 5)
    assert breakers[Lane.SAFETY].state == "open"
    assert far.count == 6
    far.status = "200 OK"
    with in_lane(Lane.SAFETY):
        door.post_json(far.url, {}, 5)
    assert breakers[Lane.SAFETY].state == "closed"


def test_orders_when_reads_have_spent_their_share_then_they_go_at_once(far: Scripted) -> None:
    """Orders never wait for data, nor does a look that naked shares wait for."""
    clock = ManualClock()
    rules = DoorRules(reads_per_minute=3, reads_per_second=1000)
    door = HttpDoor(DoorAdapter(rules, clock), {})
    door.get_json(far.url)
    with pytest.raises(TransientFault, match="ceiling"):
        door.get_json(far.url)
    before_s = clock.monotonic_s()
    for lane in (Lane.ENTRY, Lane.SAFETY):
        with in_lane(lane):
            door.post_json(far.url, {}, 5)
        assert clock.monotonic_s() == before_s
    with in_lane(Lane.SAFETY):
        door.get_json(far.url)
    assert clock.monotonic_s() == before_s
    assert far.count == 4
    with in_lane(Lane.ENTRY), pytest.raises(TransientFault, match="ceiling"):
        door.get_json(far.url)


def test_safety_when_beyond_every_budget_then_paced_and_never_withheld(far: Scripted) -> None:
    """Twenty stops at once all go out, five a second."""
    clock = ManualClock()
    rules = DoorRules(safety_per_minute=3, total_s=60.0)
    door = HttpDoor(DoorAdapter(rules, clock), {})
    began_s = clock.monotonic_s()
    for _ in range(20):
        door.post_json(far.url, {}, 60)
    assert far.count == 20
    assert 3.0 <= clock.monotonic_s() - began_s <= 5.0


def test_entry_when_its_approval_lapses_while_it_waits_then_nothing_is_sent(
    far: Scripted,
) -> None:
    """After every wait of the door, and right before the wire, the caller is asked again."""
    clock = ManualClock()
    door = HttpDoor(DoorAdapter(DoorRules(orders_per_second=1), clock), {})
    expires_at_s = clock.monotonic_s() + 0.5

    def may_still_go() -> None:
        if clock.monotonic_s() > expires_at_s:
            raise RiskFault("lapsed")

    with in_lane(Lane.ENTRY, may_still_go):
        door.post_json(far.url, {}, 5)
        with pytest.raises(RiskFault, match="lapsed"):
            door.post_json(far.url, {}, 5)
    assert far.count == 1


def test_limit_when_it_asks_for_a_minute_then_told_at_once_and_obeyed(far: Scripted) -> None:
    """Retry-After 60 never holds a call: it ends at once, and the next ones stay at home until
    the minute is over; an exit goes out in between.
    """
    clock = ManualClock()
    door = HttpDoor(DoorAdapter(FREE, clock), {})
    far.status, far.headers = "429 X", "Retry-After: 60\r\n"
    with pytest.raises(TransientFault, match="rate_limited"):
        door.get_json(far.url)
    with pytest.raises(TransientFault, match="Retry-After"):
        door.get_json(far.url)
    assert far.count == 1
    far.status, far.headers = "200 OK", ""
    door.post_json(far.url, {}, 5)
    clock.advance(60)
    door.get_json(far.url)
    assert far.count == 3


def test_retry_when_asked_to_wait_a_little_then_waited_so_long(far: Scripted) -> None:
    """A Retry-After within the deadline is the pause before the next try."""
    clock = ManualClock()
    far.status, far.headers = "503 X", "Retry-After: 2\r\n"
    began_s = clock.monotonic_s()
    rules = DoorRules(total_s=30.0, reads_per_minute=None)
    with pytest.raises(TransientFault, match="broker_error"):
        HttpDoor(DoorAdapter(rules, clock), {}).get_json(far.url)
    assert far.count == 3
    assert clock.monotonic_s() - began_s == pytest.approx(4.0, abs=0.01)


def test_pause_when_the_process_ends_then_over_at_once(far: Scripted) -> None:
    """A stop is heard in the middle of a pause, and nothing is tried again."""
    stop = threading.Event()
    far.status, far.headers = "503 X", "Retry-After: 8\r\n"
    rules = DoorRules(total_s=20.0, reads_per_minute=None)
    door = HttpDoor(DoorAdapter(rules, CLOCK, host=DoorHost(stop, lambda _: stop.set())), {})
    began_s = time.monotonic()
    with pytest.raises(TransientFault, match="broker_error"):
        door.get_json(far.url)
    assert time.monotonic() - began_s < 2.0
    assert far.count <= 2


def test_host_when_a_call_becomes_long_then_told_before_it_waits(far: Scripted) -> None:
    """Quick calls cost no word; a second try, and the call after a slow one, are announced with
    more time than they can take.
    """
    told: list[float] = []
    clock = ManualClock()
    door = HttpDoor(DoorAdapter(FREE, clock, host=DoorHost(on_wait=told.append)), {})
    door.get_json(far.url)
    assert told == []
    far.status = "503 X"
    with pytest.raises(TransientFault):
        door.get_json(far.url)
    assert len(told) == 2
    assert all(FREE.total_s < seconds <= FREE.total_s + 5 for seconds in told)


def test_page_of_a_middle_box_when_it_refuses_then_passes_by_itself(far: Scripted) -> None:
    """401 and 403 pages prove nothing about our keys; only the broker's own words do."""
    door = HttpDoor(DoorAdapter(FREE, CLOCK), {})
    for status in ("401 Unauthorized", "403 Forbidden"):
        far.status, far.body = status, b"<html><h1>Access denied</h1></html>"
        with pytest.raises(TransientFault, match="not_the_brokers_word"):
            door.get_json(far.url)
        far.body = b'{"message": "forbidden."}'
        with pytest.raises(ConfigFault):
            door.get_json(far.url)


def test_redirect_when_the_address_has_served_then_somebody_stands_between(far: Scripted) -> None:
    """A first answer that redirects means a wrong address; after good answers it passes."""
    door = HttpDoor(DoorAdapter(FREE, CLOCK), {})
    far.status, far.headers, far.body = "302 Found", "Location: http://127.0.0.1:1/\r\n", b""
    with pytest.raises(ConfigFault, match="redirect"):
        door.get_json(far.url)
    far.status, far.headers, far.body = "200 OK", "", b"{}"
    door.get_json(far.url)
    far.status = "302 Found"
    with pytest.raises(TransientFault, match="redirect"):
        door.get_json(far.url)


def test_failed_call_when_told_then_with_request_id_and_without_query(far: Scripted) -> None:
    """What failed is told once per call, after all tries, and no token stands in it."""
    told: list[FailedCall] = []
    door = HttpDoor(DoorAdapter(FREE, CLOCK, host=DoorHost(on_failed=told.append)), {})
    far.status, far.headers = "500 X", "X-Request-ID: abc-1\r\n"
    with pytest.raises(TransientFault):
        door.get_json(far.url)
    assert [(call.attempts, call.request_id) for call in told] == [(3, "abc-1")]
    assert "hidden" not in str(told)
    assert told[0].call.endswith("/v2/x")


def test_door_log_when_the_same_fails_again_then_once_a_minute_with_its_count(
    far: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage of hours writes a line a minute, not a line a call; refusals are the caller's."""
    clock = ManualClock()
    host = DoorHost(on_failed=DoorLog("market-data", clock).failed)
    door = HttpDoor(DoorAdapter(FREE, clock, host=host), {})
    far.status = "404 X"
    far.body = b'{"code": 40410000, "message": "not found"}'
    with caplog.at_level(logging.INFO, "door"):
        with pytest.raises(RiskFault):
            door.get_json(far.url)
        far.status, far.body = "502 X", b""
        for _ in range(3):
            with pytest.raises(TransientFault):
                door.get_json(far.url)
        clock.advance(AGAIN_AFTER_S)
        with pytest.raises(TransientFault):
            door.get_json(far.url)
    lines: list[Any] = [line for line in caplog.records if line.name == "door"]
    assert [(line.event, line.repeated) for line in lines] == [
        ("call_failed", 0),
        ("call_failed", 2),
    ]
    assert {(line.failure_class, line.vendor_error) for line in lines} == {("TRANSIENT", "NETWORK")}


def test_standing_when_asked_then_breakers_and_budgets_of_all_doors(far: Scripted) -> None:
    """Status and metrics show each breaker, each share, and the account by its headers."""
    host = DoorHost()
    breakers = {Lane.READ: CallBreaker("broker", CLOCK, failures_max=1)}
    adapter = DoorAdapter(DoorRules(reads_per_minute=30), CLOCK, breakers, "broker", host)
    host.standings["broker"] = adapter.standing
    far.headers = "X-RateLimit-Limit: 200\r\nX-RateLimit-Remaining: 123\r\n"
    HttpDoor(adapter, {}).get_json(far.url)
    breakers[Lane.READ].failed()
    standing = standing_of_all(host)
    (row,) = standing.breakers
    assert (row["name"], row["state"], row["failures"]) == ("broker", "open", 1)
    assert {"name": "broker read", "per_minute": 30, "at_once": 10, "left": 9} in standing.budgets
    assert {"name": "broker account", "per_minute": 200, "left": 123} in standing.budgets
    assert standing.metrics["breaker_broker"] == 2.0
    assert standing.metrics["rate_left_broker"] == 123.0
    assert "failures_judged" in standing.metrics
