"""Waits for something to become true, with a limit; the only place where a test may poll."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

POLL_S = 0.05


def wait_until(is_true: Callable[[], object], timeout_s: float, what: str = "") -> None:
    """Return as soon as the condition holds; AssertionError after the timeout."""
    never = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or is_true}")
        never.wait(POLL_S)
