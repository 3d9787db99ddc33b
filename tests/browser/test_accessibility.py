"""axe-core looks at the page in its states, its widths and its colours: no violation.

The long tier: `npm pack` fetches the pinned axe-core into build/ and checks its integrity; the page
itself never holds a byte of it.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.house.source_tree import ROOT
from tests.support import documents as sample
from tests.support.dashboard import put
from tests.support.dashboard_peers import fill_ledger
from tests.support.living_page import WAIT_MS, Rest, opened

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

AXE = "axe-core@4.14.1"
FETCH_S = 120
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core; skips loudly where npm or its registry cannot be reached."""
    folder = ROOT / "build" / "axe"
    script = folder / f"{AXE.replace('@', '-')}.min.js"
    if not script.exists():
        _fetch(folder, script)
    return script.read_text(encoding="utf-8")


def _fetch(folder: Path, script: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm: the page was NOT looked at by axe")
    folder.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(
        [npm, "pack", AXE, "--silent", "--pack-destination", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=FETCH_S,
        check=False,
    )
    if fetched.returncode != 0:
        pytest.skip(f"npm cannot fetch {AXE}: the page was NOT looked at by axe")
    with tarfile.open(folder / fetched.stdout.strip().splitlines()[-1]) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        script.write_bytes(member.read())


def violations(page: Page, axe: str) -> list[str]:
    """What axe finds: rule, impact, and the first elements."""
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate(RUN, RULES)
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:3]}"
        for one in found["violations"]
    ]


ADOPTED = {"external_coverage_pct": 0.0, "external_uncovered": 1.0}
EXTERNAL = {
    "symbol": "KO",
    "qty": "30",
    "current_price": "61.5",
    "market_value": "1845.00",
    "protected_qty": "0",
    "stop_price": None,
}
FULL: dict[str, Any] = {
    "budgets": [{"name": "broker read", "per_minute": 67, "at_once": 22, "left": 0}],
    "breakers": [{"name": "broker", "state": "open", "failures": 5, "retry_in_s": 9.0}],
    "strategies": [{"name": "momentum", "on": False, "reason": "3 faults", "faults": 3}],
    "gates": [{"at": sample.stamp(), "gate": "spread", "symbol": "KO", "passed": False}],
    "external_positions": [EXTERNAL],
    "external_coverage_pct": 0.0,
}
DEGRADED: dict[str, Any] = {
    "overall": "DEGRADED",
    "code": "DEGRADED",
    "next_action": "Nobody needs to act yet. See RUNBOOK.md#degraded.",
    "services": {"trading-bot": {"metrics": ADOPTED}},
}
BAD: dict[str, Any] = {
    "overall": "FAILED",
    "code": "FAILED_CONFIG",
    "chaos_mode": "invalid_creds",
    "services": {"trading-bot": {"status": "FAILED", "phase": "parked", "reason": "keys refused"}},
}


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"color_scheme": "dark", "viewport": PHONE},
        {"color_scheme": "light", "viewport": PHONE},
    ],
    ids=["light", "dark", "dark phone", "light phone"],
)
@pytest.mark.parametrize("health", [{}, DEGRADED, BAD], ids=["ok", "degraded", "failed"])
def test_page_in_each_state_has_no_violation(
    browser: Browser, rest: Rest, axe: str, options: dict[str, Any], health: dict[str, Any]
) -> None:
    """Names, roles, contrast, order: whatever axe can see, signed in and with every panel full."""
    fill_ledger(rest.page.state)
    rest.health, rest.status = health, FULL
    if health is BAD:
        put(rest.page.state / "emergency_stop", {"reason": "r", "by": "b", "at": sample.stamp()})
    rest.write()
    with opened(browser, rest, **options) as page:
        page.get_by_label("Token").fill(rest.page.token)
        page.get_by_role("button", name="Sign in").click()
        word = health.get("overall", "OK")
        expect(page.locator("#verdict-word")).to_have_text(word, timeout=WAIT_MS)
        expect(page.locator("#gesture-clear")).to_be_visible(timeout=WAIT_MS)
        assert violations(page, axe) == []


def test_page_when_stale_has_no_violation(browser: Browser, rest: Rest, axe: str) -> None:
    """What is old is dimmed, and still to be read."""
    with opened(browser, rest) as page, rest.frozen_page():
        expect(page.locator("#stale-bar")).to_be_visible(timeout=WAIT_MS)
        assert violations(page, axe) == []


@pytest.mark.parametrize("path", ["/sign-in", "/log", "/runbook"])
def test_other_pages_have_no_violation(browser: Browser, rest: Rest, axe: str, path: str) -> None:
    """Sign-in, log and runbook are pages of ours, too."""
    with opened(browser, rest) as page:
        page.goto(path)
        assert violations(page, axe) == []
