"""The end of a run: our books against the exchange's, and nobody left behind."""

from __future__ import annotations

from services.supervisor.table import TRADING_BOT
from shared.commands.control_client import ControlClient
from shared.config.paths import StatePaths
from tests.kill.guarded import SUMMARY_S, Guarded
from tests.kill.trial import SETTLED_WITHIN_S, Broken, Wanted, until_whole
from tests.support.waiting import wait_until

SUMMARY = ("-m", "services.trading_bot.one_shot", "summary")


def check_books(system: Guarded) -> str:
    """Stop the bot and let its one-shot compare with the exchange; return its report.

    An order that was being sent when the bot died is waited for: its fate takes two minutes.

    Raises Broken unless the local state equals the exchange and every position has a live stop.
    """
    until_whole(system, Wanted(0.0, SETTLED_WITHIN_S, settled=True))
    ControlClient(StatePaths(system.state)).stop(TRADING_BOT)
    done = system.command(*SUMMARY, timeout_s=SUMMARY_S)
    if done.code != 0:
        raise Broken(f"the books differ, exit {done.code}:\n{done.out}\n{done.err}")
    return done.out


def check_end(system: Guarded) -> None:
    """Ask for the end; raises Broken unless everybody has gone."""
    system.stop()
    try:
        wait_until(lambda: not system.census().pids, 5)
    except AssertionError:
        raise Broken(f"left behind: {dict(system.census().pids)}") from None
