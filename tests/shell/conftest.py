"""What several test modules set up alike: one real dashboard, one scripted Alpaca."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.vendors.alpaca_broker import AlpacaBroker
from tests.support.dashboard import Dashboard, running_dashboard
from tests.support.scripted_alpaca import ScriptedAlpaca, broker_at


@pytest.fixture(scope="module")
def shared_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One process for the tests of a module that leave it as it was."""
    with running_dashboard(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture
def page(shared_page: Dashboard) -> Iterator[Dashboard]:
    """The shared process with fresh, healthy documents and no emergency stop."""
    shared_page.refresh()
    yield shared_page
    (shared_page.state / "emergency_stop").unlink(missing_ok=True)


@pytest.fixture
def alpaca() -> Iterator[ScriptedAlpaca]:
    """A server that answers as it is told."""
    with ScriptedAlpaca() as running:
        yield running


@pytest.fixture
def broker(alpaca: ScriptedAlpaca) -> AlpacaBroker:
    """The broker's door to it."""
    return broker_at(alpaca.url, lambda: False)
