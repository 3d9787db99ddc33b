"""The owner's own list of tests: each exists under exactly its name."""

from __future__ import annotations

import pytest

from tests.house.source_tree import ROOT, functions_of

pytestmark = pytest.mark.unit

OWNER_NAMES = frozenset(
    {
        "test_concurrent_access_with_file_locking",
        "test_config_validation",
        "test_file_lock_acquisition",
        "test_file_lock_with_load_and_save",
        "test_paper_mode_cycle",
        "test_persistence_atomic",
        "test_persistence_recovery",
        "test_position_validation",
        "test_restart_recovery",
        "test_risk_daily_limit",
        "test_signal_validation",
        "test_websocket_reconnect",
    }
)


def test_owner_names_when_looked_for_then_each_is_a_test() -> None:
    """Nobody renames or drops a test that the owner asked for."""
    found = {
        node.name for path in (ROOT / "tests").rglob("test_*.py") for node in functions_of(path)
    }

    assert OWNER_NAMES - found == set()
