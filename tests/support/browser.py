"""Finds the machine's headless browser; without one the tests fail unless BROWSER=skip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")
INSTALL = "apt-get install chromium-headless-shell"
QUIET = ("--disable-quic", "--disable-background-networking", "--disable-component-update")
"""A browser that asks nobody but the page."""


def found_browser() -> str | None:
    """The browser's path: CHROME when set, else the first one of the machine; None without one."""
    names = (os.environ["CHROME"],) if os.environ.get("CHROME") else NAMES
    return next((path for path in map(shutil.which, names) if path is not None), None)


def executable() -> str:
    """The browser's path. Fails, or skips, loudly."""
    if os.environ.get("BROWSER") == "skip":
        pytest.skip("BROWSER=skip: the page was NOT opened in a browser")
    path = found_browser()
    if path is None:
        pytest.fail(f"no headless browser: type `{INSTALL}`, or set BROWSER=skip")
    return path


@contextmanager
def open_browser(path: str | None = None) -> Iterator[Browser]:
    """A running browser, in a profile of its own that is thrown away."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path or executable(), args=[*QUIET, "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()
