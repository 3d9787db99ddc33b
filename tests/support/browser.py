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


def executable() -> str:
    """The browser's path: CHROME when set, else the first one found. Fails, or skips, loudly."""
    if os.environ.get("BROWSER") == "skip":
        pytest.skip("BROWSER=skip: the page was NOT opened in a browser")
    names = (os.environ["CHROME"],) if os.environ.get("CHROME") else NAMES
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.fail(f"no headless browser: type `{INSTALL}`, or set BROWSER=skip")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A running browser."""
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            browser.close()
