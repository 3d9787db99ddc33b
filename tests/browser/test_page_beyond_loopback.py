"""The page as another machine sees it: nothing without the token, no stream without a session."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.dashboard import Dashboard, running_dashboard
from tests.support.living_page import WAIT_MS, Rest

pytestmark = pytest.mark.integration

TOKEN = "a-token-of-ones-own-0123456789"


@pytest.fixture
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard that listens for other machines, with living documents around it."""
    folder = tmp_path_factory.mktemp("wide")
    with running_dashboard(folder, DASHBOARD_HOST="0.0.0.0", DASHBOARD_TOKEN=TOKEN) as page:
        page.headers = {"Authorization": f"Bearer {TOKEN}"}
        with Rest(page).living():
            yield page


def test_page_when_somebody_signs_out_elsewhere_says_that_the_session_is_over(
    browser: Browser, wide: Dashboard
) -> None:
    """Sign-in first; then a sign-out in another tab of the browser ends this tab's stream, and the
    page does not blame the dashboard for it. The way back shows nothing kept of the page either.
    """
    context = browser.new_context(base_url=f"http://127.0.0.1:{wide.port}")
    watching, leaving = context.new_page(), context.new_page()
    try:
        watching.goto("/")
        expect(watching.locator("h1")).to_have_text("Sign in")
        watching.get_by_label("Token").fill(TOKEN)
        watching.get_by_role("button", name="Sign in").click()
        expect(watching.locator("#verdict-word")).to_have_text("OK", timeout=WAIT_MS)
        leaving.goto("/")
        leaving.get_by_role("button", name="Sign out").click()
        leaving.go_back()
        expect(leaving.locator("h1")).to_have_text("Sign in", timeout=WAIT_MS)
        expect(watching.locator("#stale-sign-in")).to_be_visible(timeout=WAIT_MS)
        expect(watching.locator("#verdict-reason")).to_have_text(re.compile("session .* is over"))
        expect(watching.locator("#verdict-word")).to_have_text("STALE")
        watching.locator("#stale-sign-in").click()
        expect(watching.locator("h1")).to_have_text("Sign in", timeout=WAIT_MS)
    finally:
        context.close()
