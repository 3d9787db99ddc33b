"""Who watches beside health.json: a real page, a real alert through apprise."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.page_watch import PageWatch
from chaos.receiver import AlertReceiver
from chaos.resources import count_files
from chaos.tree import Tree
from services.heartbeat.alerts import AppriseAlerter
from shared.clock import SystemClock
from shared.config.endpoints import write_endpoints
from shared.config.paths import StatePaths
from tests.support.documents import health_bytes
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SOON_S = 10.0
CLOCK = SystemClock()


def test_receiver_when_heartbeat_sends_then_title_body_and_kind_arrive() -> None:
    """Through the very sender that heartbeat uses."""
    receiver = AlertReceiver(CLOCK)
    before_s = CLOCK.monotonic_s()
    try:
        assert AppriseAlerter(receiver.url).send("[SIM] FAILED system", "It began.", "page")
        (said,) = receiver.since(before_s)
    finally:
        receiver.close()

    assert (said.title, said.body, said.kind) == ("[SIM] FAILED system", "It began.", "failure")
    assert receiver.since(CLOCK.monotonic_s()) == ()


class Page(http.server.BaseHTTPRequestHandler):
    """A dashboard that always says OK."""

    def do_GET(self) -> None:
        """Answer the API."""
        body = json.dumps({"overall": "OK"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A state folder whose page says OK and whose health.json says FAILED."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state = StatePaths(tmp_path / "state")
    state.run.mkdir(parents=True, mode=0o700)
    stamp = {"boot_id": CLOCK.boot_id(), "boottime_s": CLOCK.boottime_s()}
    state.health.write_bytes(health_bytes(**stamp, overall="FAILED", code="FAILED"))
    url = f"http://127.0.0.1:{server.server_address[1]}"
    write_endpoints(state.endpoints, exchange=None, dashboard_url=url)
    yield Tree(state, CLOCK)
    server.shutdown()
    server.server_close()


def test_page_when_it_answers_then_its_word_is_kept_beside_that_of_the_file(tree: Tree) -> None:
    """Both are read by real means, again and again."""
    watch = PageWatch(tree, CLOCK)
    try:
        wait_until(lambda: len(watch.since(0.0)) >= 2, SOON_S)
    finally:
        watch.close()

    assert {(one.overall, one.file) for one in watch.since(0.0)} == {("OK", frozenset({"FAILED"}))}
    assert watch.since(CLOCK.monotonic_s()) == ()


def test_files_when_counted_then_what_was_set_aside_is_left_out(tmp_path: Path) -> None:
    """A damaged file is kept for ever by contract; that is no growth."""
    (tmp_path / "a").mkdir()
    for name in ("health.json", "trading_state.json.corrupt.2026", "a/journal.jsonl"):
        (tmp_path / name).touch()

    assert count_files(tmp_path) == 2
