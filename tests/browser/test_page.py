"""The page in a real headless browser: read, live, stale, without script, small and dark."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.models.commands import Command, CommandOutcome
from tests.support import documents as sample
from tests.support.dashboard import put
from tests.support.dashboard_peers import answering_bot, fill_ledger
from tests.support.living_page import WAIT_MS, Rest, opened

pytestmark = pytest.mark.integration


def shot(page: Page, folder: Path, name: str) -> None:
    """Keep a picture; PAGE_SHOTS names a folder to keep them in for looking at."""
    kept = Path(os.environ.get("PAGE_SHOTS") or folder)
    kept.mkdir(parents=True, exist_ok=True)
    path = kept / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 10_000


def test_page_when_all_is_well_shows_ok_in_badge_title_and_icon(
    browser: Browser, rest: Rest, tmp_path: Path
) -> None:
    """The glance says OK three times, the mode is there, and nothing is on the console."""
    with opened(browser, rest) as page:
        badge = page.locator("#verdict-badge")
        expect(badge).to_have_text("OK")
        expect(badge.locator("svg")).to_be_visible()
        expect(page).to_have_title("OK · SIM · self-healing trader")
        expect(page.locator("#tab-icon")).to_have_attribute("href", "/static/icon-ok.svg")
        expect(page.locator("#mode")).to_have_text("SIM")
        expect(page.get_by_text("stop confirmed at broker").first).to_be_visible()
        expect(page.locator("#stale-bar")).to_be_hidden()
        shot(page, tmp_path, "ok")


def test_page_when_health_flips_changes_by_itself(
    browser: Browser, rest: Rest, tmp_path: Path
) -> None:
    """No reload: badge, title, icon and services follow the stream, there and back."""
    parked = {"trading-bot": {"status": "FAILED", "phase": "parked", "reason": "keys refused"}}
    with opened(browser, rest) as page:
        expect(page.locator("#verdict-word")).to_have_text("OK")
        rest.health = {"overall": "FAILED", "code": "FAILED_CONFIG", "services": parked}
        expect(page.locator("#verdict-word")).to_have_text("FAILED", timeout=WAIT_MS)
        expect(page.locator("#verdict-badge")).to_have_attribute("data-code", "FAILED_CONFIG")
        expect(page.locator("#tab-icon")).to_have_attribute("href", "/static/icon-bad.svg")
        expect(page).to_have_title(re.compile(r"^FAILED_CONFIG for .* · SIM · "))
        expect(page.locator("#section-services")).to_contain_text("keys refused")
        shot(page, tmp_path, "failed")
        rest.health = {}
        expect(page.locator("#verdict-word")).to_have_text("OK", timeout=WAIT_MS)


def test_page_when_chaos_and_stop_are_on_shows_red_banners(
    browser: Browser, rest: Rest, tmp_path: Path
) -> None:
    """A drill and a stop cannot be overlooked."""
    rest.health = {"chaos_mode": "alpaca_down", "overall": "DEGRADED", "code": "DEGRADED"}
    note = {"reason": "news", "by": "alice", "at": sample.stamp(), "flatten": False}
    put(rest.page.state / "emergency_stop", note)
    rest.write()
    with opened(browser, rest) as page:
        expect(page.locator("#chaos-banner")).to_contain_text("alpaca_down")
        expect(page.locator("#stop-banner")).to_contain_text("alice")
        shot(page, tmp_path, "chaos")


def test_page_when_dashboard_is_frozen_turns_stale_by_itself(
    browser: Browser, rest: Rest, tmp_path: Path
) -> None:
    """The browser's own clock judges: a stopped server cannot keep the page green."""
    with opened(browser, rest) as page:
        expect(page.locator("#verdict-word")).to_have_text("OK")
        with rest.frozen_page():
            expect(page.locator("#stale-bar")).to_be_visible(timeout=WAIT_MS)
            assert page.title().startswith("STALE")
            expect(page.locator("#verdict-word")).to_have_text("STALE")
            expect(page.locator("#tab-icon")).to_have_attribute("href", "/static/icon-bad.svg")
            shot(page, tmp_path, "stale")
        expect(page.locator("#stale-bar")).to_be_hidden(timeout=2 * WAIT_MS)
        expect(page.locator("#verdict-word")).to_have_text("OK", timeout=WAIT_MS)
        expect(page).to_have_title("OK · SIM · self-healing trader")


def test_page_without_script_is_whole(browser: Browser, rest: Rest, tmp_path: Path) -> None:
    """Everything is rendered on the server; the page reloads itself instead."""
    rest.health = {"overall": "DEGRADED", "code": "DEGRADED", "reason": "data is late"}
    rest.write()
    with opened(browser, rest, java_script_enabled=False) as page:
        assert page.locator("#verdict-word").inner_text() == "DEGRADED"
        assert page.locator("#verdict-reason").inner_text() == "data is late"
        assert page.locator("#section-positions tbody tr").count() == 2
        assert page.locator("#section-services tbody tr").count() == 5
        shot(page, tmp_path, "no_script")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_page_at_any_width_needs_no_sideways_scrolling(
    browser: Browser, rest: Rest, tmp_path: Path, width: int
) -> None:
    """On a phone tables become cards."""
    size = {"width": width, "height": 800}
    with opened(browser, rest, viewport=size) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        shot(page, tmp_path, f"width_{width}")


@pytest.mark.parametrize("width", [320, 360])
def test_page_on_a_phone_keeps_an_amount_on_one_line(
    browser: Browser, rest: Rest, width: int
) -> None:
    """An amount that is broken in two is read as another amount."""
    rest.status = {"equity": "1234567.89"}
    with opened(browser, rest, viewport={"width": width, "height": 700}) as page:
        equity = page.locator("#equity")
        expect(equity).to_have_text("$1,234,567.89", timeout=WAIT_MS)
        assert equity.evaluate("e => e.clientHeight / parseFloat(getComputedStyle(e).fontSize)") < 2


def test_page_when_words_hold_markup_runs_none_of_it(browser: Browser, rest: Rest) -> None:
    """What other processes say is text, in the page and in what refreshes it."""
    evil = "<img src=x onerror='document.title=1'><script>document.title=1</script>"
    with opened(browser, rest) as page:
        rest.health = {"reason": evil}
        rest.status = {"positions": [sample.position(evil, strategy=evil)]}
        expect(page.locator("#verdict-reason")).to_have_text(evil, timeout=WAIT_MS)
        expect(page.locator("#section-positions th").last).to_have_text(evil, timeout=WAIT_MS)
        assert page.locator("main img, main script, header img, header script").count() == 0
        assert page.title().startswith("OK")


def test_page_follows_the_readers_colour_scheme(
    browser: Browser, rest: Rest, tmp_path: Path
) -> None:
    """Dark when the reader's system is dark."""
    grounds = []
    for scheme in ("light", "dark"):
        with opened(browser, rest, color_scheme=scheme) as page:
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            shot(page, tmp_path, scheme)
    light, dark = (sum(int(part) for part in text[4:-1].split(",")) for text in grounds)
    assert light > 600
    assert dark < 150


def test_page_when_updated_keeps_what_the_reader_opened(browser: Browser, rest: Rest) -> None:
    """An open trace and a half-typed reason survive the refreshes."""
    fill_ledger(rest.page.state)
    with opened(browser, rest) as page:
        trace = page.locator("#section-denials details").first
        expect(trace).to_be_visible(timeout=WAIT_MS)
        trace.locator("summary").click()
        reason = page.get_by_label("Reason").first
        reason.fill("half typed")
        rest.health = {"overall": "DEGRADED", "code": "DEGRADED"}
        expect(page.locator("#verdict-word")).to_have_text("DEGRADED", timeout=WAIT_MS)
        assert reason.input_value() == "half typed"
        expect(trace.get_by_text("COOLDOWN").last).to_be_visible()


def test_operator_signs_in_and_pauses_by_plain_forms(
    browser: Browser, rest: Rest, tmp_path: Path
) -> None:
    """Token, session, action, answer and the way back, all with the browser's own forms."""

    def react(command: Command) -> tuple[CommandOutcome, str, dict[str, Any]]:
        return CommandOutcome.DONE, "No new entries until resumed.", {}

    with opened(browser, rest) as page, answering_bot(rest.page.state, react) as seen:
        page.get_by_label("Token").fill(rest.page.token)
        page.get_by_role("button", name="Sign in").click()
        page.locator("#gesture-pause").get_by_label("Reason").fill("lunch", timeout=WAIT_MS)
        page.get_by_role("button", name="Pause entries").click()
        expect(page.locator("#answer")).to_contain_text("Done", timeout=WAIT_MS)
        expect(page.get_by_text("No new entries until resumed.")).to_be_visible()
        shot(page, tmp_path, "answer")
        page.get_by_role("link", name="Back to the page").click()
        expect(page.locator("#verdict-badge")).to_be_visible()
        expect(page.get_by_label("Restart… trading-bot")).to_be_visible()
        shot(page, tmp_path, "signed_in")
    assert [(command.command.value, command.reason) for command in seen] == [("pause", "lunch")]


def test_operator_stops_without_a_token(browser: Browser, rest: Rest) -> None:
    """The stop on the page works at once on this machine, and the page then says so."""

    def react(command: Command) -> tuple[CommandOutcome, str, dict[str, Any]]:
        return CommandOutcome.DONE, "Stopped.", {}

    with opened(browser, rest) as page, answering_bot(rest.page.state, react):
        card = page.locator("form[action='/api/unified/emergency-stop']")
        card.get_by_label("Reason").fill("something is odd")
        card.get_by_role("button", name="Stop").click()
        expect(page.locator("#answer")).to_contain_text("Done", timeout=WAIT_MS)
        page.goto("/")
        expect(page.locator("#stop-banner")).to_contain_text("something is odd", timeout=WAIT_MS)


def test_reader_switches_colours_and_finds_them_again(browser: Browser, rest: Rest) -> None:
    """The switch overrules the system, and a reload keeps it."""

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    with opened(browser, rest, color_scheme="light") as page:
        light = ground()
        page.get_by_role("button", name="Dark colours").click()
        dark = ground()
        assert dark != light
        page.reload()
        assert ground() == dark
        page.get_by_role("button", name="Light colours").click()
        assert ground() == light


def test_reader_filters_the_log_without_leaving_the_page(browser: Browser, rest: Rest) -> None:
    """Service, level and words; the lines follow what is typed."""
    lines = ("INFO quiet a", "ERROR loud b", "ERROR loud zebra")
    entries = (dict(zip(("level", "event", "msg"), line.split(), strict=True)) for line in lines)
    log = rest.page.logs / "heartbeat.jsonl"
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with opened(browser, rest) as page:
        shown = page.locator("#section-log li")
        page.locator("#log-form [name=service]").select_option("heartbeat")
        expect(shown).to_have_count(3, timeout=WAIT_MS)
        page.locator("#log-form [name=level]").select_option("ERROR")
        expect(shown).to_have_count(2, timeout=WAIT_MS)
        page.get_by_label("Holding").fill("ZEBRA")
        expect(shown).to_have_count(1, timeout=WAIT_MS)
        assert page.url.endswith(":" + str(rest.page.port) + "/")


def test_operator_closes_a_position_by_keyboard_and_only_with_the_word(
    browser: Browser, rest: Rest
) -> None:
    """From the row to the form, its symbol in it; the browser itself holds back a bare click."""

    def react(command: Command) -> tuple[CommandOutcome, str, dict[str, Any]]:
        return CommandOutcome.DONE, "closed", {}

    with opened(browser, rest) as page, answering_bot(rest.page.state, react) as seen:
        page.get_by_label("Token").fill(rest.page.token)
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Close… NVDA").focus()
        page.keyboard.press("Enter")
        form = page.locator("#gesture-close")
        expect(form.get_by_label("Symbol")).to_have_value("NVDA")
        expect(form.get_by_label("Reason")).to_be_focused()
        page.keyboard.type("enough")
        page.keyboard.press("Enter")
        assert form.locator("input:invalid").count() == 1
        assert seen == []
        form.get_by_label("Type CLOSE").fill("CLOSE")
        page.keyboard.press("Enter")
        expect(page.locator("#answer")).to_contain_text("Done", timeout=WAIT_MS)
    assert [command.text("symbol") for command in seen] == ["NVDA"]


def test_page_when_next_action_is_followed_leads_into_the_runbook(
    browser: Browser, rest: Rest
) -> None:
    """One click from the verdict to what a person does."""
    rest.health = {"next_action": "Nobody needs to act yet. See RUNBOOK.md#degraded."}
    rest.write()
    with opened(browser, rest) as page:
        page.locator("#verdict-next a").click()
        expect(page.locator("#degraded")).to_be_in_viewport(timeout=WAIT_MS)
