"""Option flow over real sockets: paging, budgets, faults of the vendor, and the whole daemon."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.data_daemon.feeds.option_flow import MarketView, OptionFlow, note_drop
from services.data_daemon.flow_plan import FlowScope
from services.data_daemon.sink import StoreSink
from shared.clock import SystemClock
from shared.contracts.drift import SchemaDrift
from shared.errors import ConfigFault, SystemFault, TransientFault
from shared.models.flow import Cursors
from shared.persistence.market_flow import FlowStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from shared.vendors.unusual_whales import ALERTS_PER_PAGE, OVERLAP, UnusualWhales
from tests.support.clock import ManualClock
from tests.support.raw_server import RawServer, reply_bytes
from tests.support.whale_payloads import raw_alert, raw_print, raw_tide

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
KEYS = ("key-of-the-test", "secret-of-the-test")
WAIT_S = 20.0
AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
BEGINNING = AT - timedelta(days=9_000)
RULES = DoorRules(silence_s=0.5, total_s=1.0, attempts=1, reads_per_minute=None, holds=False)
BUDGET = (
    "x-uw-daily-req-count: 900\r\nx-uw-token-req-limit: 20000\r\n"
    "x-uw-req-per-minute-remaining: 3\r\nx-uw-req-per-minute-reset: 42000\r\n"
)
ROWS = {"flow-alerts": [raw_alert()], "recent": [raw_print()], "market-tide": [raw_tide()]}

Answer = Callable[[str, dict[str, list[str]]], bytes]
"""(last word of the path, query) → the whole reply."""


def data(rows: list[Any]) -> bytes:
    return json.dumps({"data": rows}).encode()


def good(name: str, _query: dict[str, list[str]]) -> bytes:
    return reply_bytes(data(ROWS[name]), headers=BUDGET)


def view() -> MarketView:
    return MarketView(FlowScope(frozenset({"SPY"}), AT + timedelta(minutes=1), 1.0), True)


class Vendor:
    """A client of a scripted vendor; `answer` may be changed between two calls."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.drops: list[str] = []
        self.sink = StoreSink(ManualClock())
        self.server = RawServer(self._serve)

    def _serve(self, connection: socket.socket, request: bytes) -> None:
        target = urlsplit(request.split(b" ")[1].decode())
        name = target.path.rpartition("/")[2]
        connection.sendall(self.answer(name, parse_qs(target.query)))

    def client(self) -> UnusualWhales:
        headers = {"Authorization": "Bearer secret-token"}
        door = HttpDoor(DoorAdapter(RULES, CLOCK), headers)
        return UnusualWhales(door, self.server.url, lambda _, drift: self.drops.append(drift.path))

    def flow(self) -> OptionFlow:
        door = HttpDoor(DoorAdapter(RULES, CLOCK), {"Authorization": "Bearer secret-token"})
        whales = UnusualWhales(door, self.server.url, note_drop(self.sink))
        return OptionFlow(whales, CLOCK, view, self.sink)


@contextmanager
def vendor(answer: Answer = good) -> Iterator[Vendor]:
    scripted = Vendor(answer)
    with scripted.server:
        yield scripted


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MarketStoreWriter]:
    opened = MarketStoreWriter(tmp_path / "market.db", CLOCK)
    yield opened
    opened.close()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[FlowStoreReader]:
    opened = FlowStoreReader(tmp_path / "market.db")
    yield opened
    opened.close()


def many(first: int, count: int) -> list[dict[str, Any]]:
    """Alerts one second apart, newest first, as the vendor lists them."""
    moments = [AT + timedelta(seconds=n) for n in range(first, first + count)]
    return [raw_alert(id=f"a{m:%H%M%S}", created_at=m.isoformat()) for m in reversed(moments)]


def test_alerts_when_more_than_a_page_then_all_with_overlap_each_once() -> None:
    """Pages go back to the cursor less the overlap; rows at the seam come twice, and count once."""
    every = many(0, 450)

    def paged(_: str, query: dict[str, list[str]]) -> bytes:
        older = datetime.fromisoformat(query.get("older_than", ["2027-01-01T00:00:00Z"])[0])
        newer = datetime.fromisoformat(query["newer_than"][0])
        fitting = [r for r in every if newer < datetime.fromisoformat(r["created_at"]) < older]
        return reply_bytes(data(fitting[: int(query["limit"][0])]))

    with vendor(paged) as scripted:
        cursor = AT + timedelta(seconds=130)
        found = scripted.client().alerts(cursor)
        assert found[0].at == cursor - OVERLAP + timedelta(seconds=1)
        assert len(found) == 450 - 11
        assert [alert.at for alert in found] == sorted({alert.at for alert in found})
        assert len(scripted.server.requests) == -(-450 // ALERTS_PER_PAGE)
        assert b"secret-token" not in scripted.server.requests[0].split(b"\r\n")[0]


def test_alerts_when_a_page_repeats_itself_for_ever_then_ended() -> None:
    """A vendor that ignores older_than must not hold us."""
    with vendor(lambda *_: reply_bytes(data(many(0, ALERTS_PER_PAGE)))) as scripted:
        assert len(scripted.client().alerts(AT)) == ALERTS_PER_PAGE
        assert len(scripted.server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "family"),
    [
        (reply_bytes(b'{"error":"Invalid API key"}', "401 Unauthorized"), ConfigFault),
        (reply_bytes(b"{}", "429 Too Many Requests", "Retry-After: 37\r\n"), TransientFault),
        (reply_bytes(b"oops", "500 Internal Server Error"), TransientFault),
        (reply_bytes(b"<html>", "502 Bad Gateway"), TransientFault),
        (reply_bytes(b"", "200 OK"), TransientFault),
        (reply_bytes(b"null"), SchemaDrift),
        (reply_bytes(b'{"data":{}}'), SchemaDrift),
        (reply_bytes(b"<html>"), SystemFault),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", SystemFault),
        (b"", SystemFault),
    ],
)
def test_round_when_vendor_fails_then_last_good_kept_stale_and_healed(
    store: MarketStoreWriter, reader: FlowStoreReader, reply: bytes, family: type[SystemFault]
) -> None:
    """Whatever is wrong, what was known stays, and the next good round heals it."""
    with vendor() as scripted:
        flow = scripted.flow()
        assert flow.round() == pytest.approx(42)  # the minute is spent, the headers say
        flow.deliver(store)
        scripted.answer = lambda *_: reply
        with pytest.raises(family):
            scripted.client().everything(Cursors(), with_prints=True, with_tide=True)
        pauses = [flow.round() for _ in range(3)]
        assert flow.facts.failed_rounds == 3
        assert flow.facts.is_refused is (family is ConfigFault)
        assert pauses[0] >= (37 if b"Retry-After" in reply else 1)
        assert pauses == sorted(pauses)
        flow.deliver(store)
        assert len(reader.poll(BEGINNING)) == len(reader.prints(BEGINNING)) == 1
        assert "secret-token" not in flow.facts.reason
        scripted.answer = good
        flow.round()
        assert (flow.facts.failed_rounds, flow.facts.is_refused) == (0, False)


def test_round_when_rows_are_broken_canceled_or_of_the_future_then_only_they_are_missing(
    store: MarketStoreWriter, reader: FlowStoreReader
) -> None:
    """Dropped and counted by name; the cursor never follows a row into the future."""
    alerts = [raw_alert(id="ok"), raw_alert(total_premium=None), raw_alert(ticker="ZZZ", id="z")]
    alerts.append(raw_alert(id="far", created_at="2099-01-01T00:00:00Z"))
    rows = {
        "flow-alerts": alerts,
        "recent": [raw_print(), raw_print(tracking_id=2, canceled=True)],
        "market-tide": [raw_tide(), raw_tide(net_volume="many")],
    }
    with vendor(lambda name, _: reply_bytes(data(rows[name]))) as scripted:
        flow = scripted.flow()
        flow.round()
        flow.deliver(store)
        assert [alert.alert_id for alert in reader.poll(BEGINNING)] == ["ok"]
        assert [one.print_id for one in reader.prints(BEGINNING)] == ["71984388012245"]
        assert len(reader.tide(BEGINNING)) == 1
        assert scripted.sink.counts["dropped"] == 3
        assert scripted.sink.counts["dropped moment in the future"] == 1
        assert flow.facts.last_at == datetime(2026, 1, 5, 15, 0, 1, 354429, tzinfo=UTC)
        rows["recent"] = [raw_print(canceled=True)]
        flow.round()
        flow.deliver(store)
        assert reader.prints(BEGINNING) == []
        assert len(reader.poll(BEGINNING)) == 1


def test_flow_when_another_market_begins_then_an_answer_of_the_old_is_dropped(
    store: MarketStoreWriter, reader: FlowStoreReader
) -> None:
    """A round that was under way while the market changed belongs to nobody."""
    with vendor() as scripted:
        flow = scripted.flow()

        def late(name: str, query: dict[str, list[str]]) -> bytes:
            flow.begin(Cursors(), is_new_market=True)
            return good(name, query)

        scripted.answer = late
        flow.round()
        flow.deliver(store)
        assert reader.poll(BEGINNING) == []
