"""`make screenshots`: the page of the real system in each of its states, as pictures to look at.

Two systems are started one after the other, in sim and in throw-away folders: one that trades,
is frozen, stopped, and loses services; one that a fault is made in. Each picture is taken only
when the page itself shows the state that it is named after; a state that does not come about ends
the command with 1. The pictures stand in build/screenshots.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from shared.config.paths import StatePaths
from tests.support.browser import INSTALL, found_browser, open_browser
from tests.support.dashboard import free_port
from tests.support.system import ROOT, deploy, folders, read_json, running_system

FOLDER = ROOT / "build" / "screenshots"
NO_BROWSER = 2
LIMIT_S = 240.0
"""For each state; a busy machine needs long to start a system and to draw a picture."""
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
FEW_DEATHS = {"SERVICE_MAX_FAILURES": "2"}
FAULT = {"CHAOS_MODE": "alpaca_down", "CHAOS_AFTER_S": "20", "CHAOS_DURATION_S": "120"}


class Stage:
    """A running system, its page, and where the pictures go."""

    def __init__(self, base: Path, browser: Browser, target: Path) -> None:
        self.base, self._browser, self._target = base, browser, target
        self.state = StatePaths(base / "state")

    def health(self) -> dict[str, Any]:
        """health.json; nothing before the first one."""
        try:
            return read_json(self.state.health)
        except FileNotFoundError:
            return {}

    def service(self, name: str) -> dict[str, Any]:
        """One service of health.json."""
        found: dict[str, Any] = self.health().get("services", {}).get(name, {})
        return found

    def await_code(self, code: str) -> None:
        """Wait for a verdict of the supervisor."""
        until(lambda: self.health().get("code") == code, f"the system is never {code}")

    @contextmanager
    def page(self, **options: Any) -> Iterator[Page]:
        """The page in a browser of its own, signed in."""
        url = read_json(self.state.endpoints)["dashboard_url"]
        context = self._browser.new_context(base_url=url, **{"viewport": WIDE, **options})
        context.set_default_timeout(LIMIT_S * 1_000)
        page = context.new_page()
        try:
            page.goto("/")
            page.get_by_label("Token").fill(self.state.dashboard_token.read_text().strip())
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("body.signed-in")).to_be_attached(timeout=LIMIT_S * 1_000)
            yield page
        finally:
            context.close()

    def shoot(self, page: Page, name: str, word: str, *, whole: bool = False) -> None:
        """Take the picture once the page shows the word."""
        expect(page.locator("#verdict-word")).to_have_text(word, timeout=LIMIT_S * 1_000)
        path = self._target / f"{name}.png"
        page.screenshot(path=path, full_page=whole, timeout=LIMIT_S * 1_000)
        say(f"{path.relative_to(ROOT)}: {page.title()}")

    def command(self, *words: str) -> None:
        """A command of the operator that must be done."""
        done = deploy(self.base, *words, timeout_s=LIMIT_S)
        if done.code != 0:
            raise AssertionError(f"{words[0]} ended with {done.code}: {done.err}")

    def kill_until_parked(self, name: str) -> None:
        """SIGKILL whatever process the service has, until the supervisor gives it up."""
        killed: set[int] = set()

        def is_parked() -> bool:
            pid = self.service(name).get("pid")
            if isinstance(pid, int) and pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            return self.service(name).get("phase") == "parked"

        until(is_parked, f"{name} is never parked")


def until(wanted: Callable[[], bool], problem: str) -> None:
    """Look ten times a second; AssertionError with the problem after the limit."""
    deadline = time.monotonic() + LIMIT_S
    while not wanted():
        if time.monotonic() > deadline:
            raise AssertionError(problem)
        time.sleep(0.1)


def say(text: str) -> None:
    """Tell who waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def healthy(stage: Stage) -> None:
    """OK in light, dark and on a phone, with trades to show; the gestures; the runbook."""
    stage.await_code("OK")
    until(lambda: _trades(stage) >= 3, "the system never closes three trades")
    stage.await_code("OK")
    with stage.page() as page:
        stage.shoot(page, "ok", "OK")
        stage.shoot(page, "ok_whole", "OK", whole=True)
        page.locator("#operator").scroll_into_view_if_needed()
        stage.shoot(page, "gestures", "OK")
    with stage.page(color_scheme="dark") as page:
        stage.shoot(page, "dark", "OK")
    with stage.page(viewport=PHONE) as page:
        stage.shoot(page, "phone", "OK")
        stage.shoot(page, "phone_whole", "OK", whole=True)


def _trades(stage: Stage) -> int:
    try:
        status = json.loads(stage.state.bot_status.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0
    return int(status.get("total_trades", 0))


def stale(stage: Stage) -> None:
    """The dashboard is stopped in its tracks: the page says so by the browser's own clock."""
    with stage.page() as page:
        expect(page.locator("#verdict-word")).to_have_text(re.compile("OK|DEGRADED"))
        pid = int(stage.service("dashboard")["pid"])
        os.kill(pid, signal.SIGSTOP)
        try:
            stage.shoot(page, "stale", "STALE")
        finally:
            os.kill(pid, signal.SIGCONT)
    stage.await_code("OK")


def stopped(stage: Stage) -> None:
    """An emergency stop, and its end."""
    stage.command("emergency-stop", "--reason", "prices look wrong")
    with stage.page() as page:
        expect(page.locator("#stop-banner")).to_contain_text("prices look wrong")
        stage.shoot(page, "emergency_stop", "DEGRADED")
    stage.command("clear-stop", "--approver", "alice")
    stage.await_code("OK")


def broken(stage: Stage) -> None:
    """DEGRADED without the alarm, FAILED without the driver, and the runbook's word for it."""
    stage.kill_until_parked("heartbeat")
    stage.await_code("DEGRADED")
    with stage.page() as page:
        stage.shoot(page, "degraded", "DEGRADED")
    stage.command("release", "heartbeat")
    stage.kill_until_parked("trading-bot")
    stage.await_code("FAILED")
    with stage.page() as page:
        stage.shoot(page, "failed", "FAILED")
        page.locator("#verdict-next a").click()
        page.screenshot(path=FOLDER / "runbook.png", timeout=LIMIT_S * 1_000)


def chaos(stage: Stage) -> None:
    """A fault is on: every call to the broker fails."""
    log = stage.base / "logs" / "chaos.jsonl"
    until(lambda: log.exists() and "chaos_began" in log.read_text(), "the fault never begins")
    stage.await_code("DEGRADED")
    with stage.page() as page:
        expect(page.locator("#chaos-banner")).to_contain_text("A fault is on")
        stage.shoot(page, "chaos", "DEGRADED")


@contextmanager
def stage_of(browser: Browser, settings: dict[str, str]) -> Iterator[Stage]:
    """A system in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="sht-screens-") as name:
        base = Path(name)
        where = {**folders(base), "DASHBOARD_PORT": str(free_port()), "TRADING_MODE": "sim"}
        with running_system(base, settings={**where, **settings}):
            yield Stage(base, browser, FOLDER)


def main() -> int:
    """Take every picture; 0 done, 1 a state did not come about, 2 there is no browser."""
    browser_path = found_browser()
    if browser_path is None:
        say(f"There is no headless browser: type `{INSTALL}`, or set CHROME to one.")
        return NO_BROWSER
    FOLDER.mkdir(parents=True, exist_ok=True)
    # However the command is ended, the systems that it started are ended with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with open_browser(browser_path) as browser:
        with stage_of(browser, FEW_DEATHS) as stage:
            for act in (healthy, stale, stopped, broken):
                act(stage)
        with stage_of(browser, FAULT) as stage:
            chaos(stage)
    return 0


if __name__ == "__main__":
    sys.exit(main())
