"""A page of somebody else in the operator's own browser, while the operator is signed in: it can
neither act, nor read, nor listen, nor hide our page under its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page, expect

from services.dashboard.app import ROUTES
from tests.support.dashboard_peers import answering_bot, done
from tests.support.living_page import WAIT_MS, Rest, opened

pytestmark = pytest.mark.integration

POSTS = [row.path.replace("{name}", "heartbeat") for row in ROUTES if row.method == "POST"]
ACT = """async ([base, paths]) => {
  const body = JSON.stringify({reason: "x", approver: "x", symbol: "AAPL", word: "CLEAR"});
  const outcomes = [];
  for (const path of paths) {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json"]) {
      const mode = type === "application/json" ? "cors" : "no-cors";
      const options = {method: "POST", mode, credentials: "include", body};
      outcomes.push(await fetch(base + path, {...options, headers: {"Content-Type": type}})
        .then((reply) => `${reply.type} ${reply.status}`, () => "failed"));
    }
  }
  return outcomes;
}"""
READ = """async (base) => ({
  json: await fetch(base + "/api/unified/status", {credentials: "include"})
    .then((reply) => reply.text(), () => "failed"),
  script: await new Promise((done) => {
    const script = document.createElement("script");
    script.onload = () => done("loaded");
    script.onerror = () => done("failed");
    script.src = base + "/static/page.js";
    document.head.append(script);
  }),
  stream: await new Promise((done) => {
    const source = new EventSource(base + "/api/events", {withCredentials: true});
    source.onopen = () => done("open");
    source.onerror = () => done("failed");
  }),
})"""
FORM = """([base, target]) => {
  const form = document.createElement("form");
  Object.assign(form, {method: "post", enctype: "text/plain", target,
    action: base + "/api/unified/emergency-stop"});
  const field = document.createElement("input");
  field.name = '{"reason": "a form can write JSON", "word": "';
  field.value = '"}';
  form.append(field);
  document.body.append(form);
  form.submit();
}"""
FRAME = '<!doctype html><title>prize</title><iframe name="inner" src="{base}/"></iframe>'


class _Prize(BaseHTTPRequestHandler):
    """The hostile site."""

    base = ""

    def do_GET(self) -> None:
        """The same page for every address."""
        raw = FRAME.format(base=self.base).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def prize(rest: Rest) -> Iterator[int]:
    """The port of a hostile site that knows where our page is."""
    handler = type("Prize", (_Prize,), {"base": f"http://127.0.0.1:{rest.page.port}"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def signed_in(page: Page, rest: Rest) -> None:
    """The operator signs in."""
    page.get_by_label("Token").fill(rest.page.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body.signed-in")).to_be_attached(timeout=WAIT_MS)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["another site", "another port"])
def test_hostile_page_in_the_operators_browser_can_do_nothing(
    browser: Browser, rest: Rest, prize: int, host: str
) -> None:
    """Every action in every form that needs no leave, answers, stream, script, and a frame; from
    another site, and from the same machine's other port, to which cookies do travel.
    """
    base = f"http://127.0.0.1:{rest.page.port}"
    with opened(browser, rest) as page, answering_bot(rest.page.state, done) as seen:
        signed_in(page, rest)
        hostile = page.context.new_page()
        hostile.goto(f"http://{host}:{prize}/")
        assert hostile.frames[1].url.startswith("chrome-error:")
        outcomes = hostile.evaluate(ACT, [base, POSTS])
        assert set(outcomes) <= {"opaque 0", "failed"}
        assert hostile.evaluate(READ, base) == dict.fromkeys(("json", "script", "stream"), "failed")
        with page.context.expect_page() as other:
            hostile.evaluate(FORM, [base, "_blank"])
        expect(other.value.locator("body")).to_contain_text("403", timeout=WAIT_MS)
        assert other.value.evaluate("window.opener") is None
        expect(page.locator("body.signed-in")).to_be_attached()
        page.reload()
        expect(page.locator("body.signed-in")).to_be_attached(timeout=WAIT_MS)
    assert seen == []
    assert not (rest.page.state / "emergency_stop").exists()
