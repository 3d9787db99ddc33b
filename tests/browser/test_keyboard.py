"""Every gesture by the keyboard alone: found by tabbing, typed, and held back without its word."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.dashboard_peers import answering_bot, answering_supervisor, done
from tests.support.living_page import WAIT_MS, Rest, opened

pytestmark = pytest.mark.integration

TABS_MAX = 120
AT = """() => {
  const here = document.activeElement;
  return [here.closest("form")?.id ?? "", here.name || here.textContent.trim()];
}"""
GESTURES = {
    "stop": ("emergency-stop", {"reason": "odd prices"}),
    "pause": ("pause", {"reason": "lunch"}),
    "resume": ("resume", {"word": "RESUME"}),
    "clear": ("clear-stop", {"approver": "ann", "word": "CLEAR"}),
    "close": ("close-position", {"symbol": "NVDA", "reason": "enough", "word": "CLOSE"}),
    "flatten": ("emergency-stop", {"reason": "enough", "word": "FLATTEN"}),
}


def tab_to(page: Page, form: str, name: str) -> None:
    """Press Tab until the focus is there."""
    for _ in range(TABS_MAX):
        if page.evaluate(AT) == [form, name]:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} of {form or 'the page'} cannot be reached by Tab")


def sign_in(page: Page, rest: Rest) -> None:
    """From the top of the page by the skip link to the form, and in."""
    tab_to(page, "", "Skip to the emergency stop")
    page.keyboard.press("Enter")
    tab_to(page, "gesture-sign-in", "token")
    page.keyboard.type(rest.page.token)
    page.keyboard.press("Enter")
    expect(page.locator("body.signed-in")).to_be_attached(timeout=WAIT_MS)


def test_gestures_by_keyboard_act_with_their_word_and_never_without(
    browser: Browser, rest: Rest
) -> None:
    """Enter in a field sends the form; while a field is missing the browser holds it back, and the
    focus stays on what is missing.
    """
    with opened(browser, rest) as page, answering_bot(rest.page.state, done) as seen:
        sign_in(page, rest)
        for gesture, (_, fields) in GESTURES.items():
            before = len(seen)
            *others, last = fields
            for name in others:
                tab_to(page, f"gesture-{gesture}", name)
                page.keyboard.type(fields[name])
            tab_to(page, f"gesture-{gesture}", last)
            page.keyboard.press("Enter")
            assert page.evaluate(AT) == [f"gesture-{gesture}", last]
            assert len(seen) == before
            page.keyboard.type(fields[last])
            page.keyboard.press("Enter")
            expect(page.locator("#answer")).to_contain_text("Done", timeout=WAIT_MS)
            tab_to(page, "", "Back to the page")
            page.keyboard.press("Enter")
            expect(page.locator("body.signed-in")).to_be_attached(timeout=WAIT_MS)
    assert [one.command.value for one in seen] == [command for command, _ in GESTURES.values()]


def test_service_by_keyboard_is_restarted_from_its_row_in_two_steps(
    browser: Browser, rest: Rest
) -> None:
    """Opening says what it will do; only the second Enter does it."""
    asked: list[tuple[str, ...]] = []

    def restart(*words: str) -> bool:
        asked.append(words)
        return True

    methods = {"supervisor.restartProcess": restart}
    with opened(browser, rest) as page, answering_supervisor(rest.page.state, methods):
        sign_in(page, rest)
        page.keyboard.press("Home")
        page.get_by_label("Restart… heartbeat").focus()
        page.keyboard.press("Enter")
        assert asked == []
        tab_to(page, "", "Restart now")
        page.keyboard.press("Enter")
        expect(page.locator("#answer")).to_contain_text("Done", timeout=WAIT_MS)
    assert [words[0] for words in asked] == ["heartbeat"]
