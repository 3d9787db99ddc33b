"""Signals that ask for something: held back while nobody can answer yet, so that none is lost.

A held signal waits in the kernel, also over an exec and a spawn, until whoever answers it is
ready; without that, Ctrl-C in the first moments of a start would kill half of it.
"""

from __future__ import annotations

import signal

ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def hold(*numbers: signal.Signals) -> None:
    """Let these signals wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)


def let_through() -> None:
    """Receive what waited and whatever comes."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
