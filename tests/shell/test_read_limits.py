"""What holds reads back, and never a write: the ceiling per minute and the breaker."""

from __future__ import annotations

import pytest

from shared.errors import TransientFault
from shared.resilience.breaker import CallBreaker
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from shared.resilience.lanes import Lane
from tests.support.clock import ManualClock
from tests.support.raw_server import RawServer, reply_bytes

pytestmark = pytest.mark.integration


def test_reads_when_ceiling_is_reached_then_withheld_and_writes_pass() -> None:
    """Our own ceiling holds reads back before the broker does, and never an order."""
    clock = ManualClock()
    adapter = DoorAdapter(DoorRules(reads_per_minute=9), clock)
    with RawServer(lambda c, _: c.sendall(reply_bytes())) as server:
        door = HttpDoor(adapter, {})
        for _ in range(3):
            door.get_json(server.url)
        with pytest.raises(TransientFault, match="ceiling"):
            door.get_json(server.url)
        door.post_json(server.url, {}, 5)
        clock.advance(61)
        door.get_json(server.url)
        assert len(server.requests) == 5


def test_reads_when_failing_repeatedly_then_breaker_opens_and_writes_pass() -> None:
    """An open breaker fails reads at once, lets writes through, and closes on the first answer."""
    changes: list[str] = []
    clock = ManualClock()
    breaker = CallBreaker("broker", clock, lambda _, old, new: changes.append(f"{old}>{new}"))
    status = ["500 X"]
    with RawServer(lambda c, _: c.sendall(reply_bytes(status=status[0]))) as server:
        rules = DoorRules(total_s=5, reads_per_minute=None)
        door = HttpDoor(DoorAdapter(rules, clock, {Lane.READ: breaker}), {})
        for _ in range(2):
            with pytest.raises(TransientFault):
                door.get_json(server.url)
        assert breaker.state == "open"
        came = len(server.requests)
        with pytest.raises(TransientFault, match="pause"):
            door.get_json(server.url)
        assert len(server.requests) == came
        with pytest.raises(TransientFault, match="broker_error"):
            door.post_json(server.url, {}, 5)
        clock.advance(3)
        status[0] = "200 OK"
        door.get_json(server.url)
    assert changes == ["closed>open", "open>half-open", "half-open>closed"]


def test_breaker_when_write_succeeds_while_open_then_closes() -> None:
    """Any answer proves that the other side lives."""
    breaker = CallBreaker("b", ManualClock(), failures_max=1)
    breaker.failed()
    assert breaker.wait_s() > 0
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.wait_s() == 0


def test_breaker_when_trial_fails_then_pauses_again() -> None:
    """One try after the pause; when it fails the pause begins anew, by the monotonic clock."""
    clock = ManualClock()
    breaker = CallBreaker("b", clock, failures_max=2, pause_s=2)
    breaker.failed()
    assert breaker.state == "closed"
    breaker.failed()
    clock.advance(2.1)
    assert breaker.wait_s() == 0
    assert breaker.state == "half-open"
    breaker.failed()
    assert breaker.wait_s() == pytest.approx(2)
