"""One browser and one living dashboard for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import open_browser
from tests.support.dashboard import running_dashboard
from tests.support.living_page import Rest


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with open_browser() as running:
        yield running


@pytest.fixture(scope="module")
def system(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """One dashboard process with living documents around it."""
    with running_dashboard(tmp_path_factory.mktemp("page")) as page, Rest(page).living() as rest:
        yield rest


@pytest.fixture
def rest(system: Rest) -> Iterator[Rest]:
    """The living documents, healthy at the beginning."""
    system.health, system.status = {}, {}
    system.write()
    yield system
    (system.page.state / "emergency_stop").unlink(missing_ok=True)
