"""One running system under supervisord, from which one after the other is killed."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.supervisor.table import TRADING_BOT
from tests.kill.blows import GUARDIAN, SUPERVISOR, Blow, blows
from tests.kill.ending import check_books, check_end
from tests.kill.guarded import Guarded, guarded
from tests.kill.trial import START_WITHIN_S, Look, Wanted, try_blow, until_whole
from tests.support.system import DEPLOY
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

COMMAND_S = 30.0


SENDERS = ("exchange-sim", TRADING_BOT)
"""Whose death may leave an order of unknown outcome, and that takes two minutes by rule: they are
killed while trading is paused. Deaths in the midst of sending are what tests/crash and
`make kill-test` are for.
"""


def give(system: Guarded, word: str, standing: tuple[str, str]) -> None:
    """Give an operator's command, and wait until the bot stands so."""
    done = system.command(str(DEPLOY), word, "--reason", "test", timeout_s=COMMAND_S)
    assert done.code == 0, done.out + done.err

    def stands() -> bool:
        found = system.health()
        return (found["trading_state"], found["trading_state_cause"]) == standing

    wait_until(stands, COMMAND_S, f"{word}: {standing}")


def killed_in_turn(system: Guarded, look: Look, groups: Sequence[tuple[str, ...]]) -> Look:
    """Let one blow fall after the other, each on everybody of a group."""
    for targets in groups:
        kind = "tree" if set(targets) == set(system.roles) else "some"
        look, _ = try_blow(system, look, Blow(kind, targets, signal.SIGKILL, pause_s=0.0))
    return look


@pytest.mark.timeout(360)
def test_tree_when_each_is_killed_in_turn_then_two_then_all_then_it_is_whole_again(
    tmp_path: Path,
) -> None:
    """After every blow: whole, nobody double or left over, nobody else touched (the bot keeps its
    pid when only guardian or supervisor died), `seq` grown, an incident of each; trading goes on;
    and in the end the books equal the exchange's, with a stop for every position.
    """
    with guarded(tmp_path) as system:
        look = until_whole(system, Wanted(0.0, START_WITHIN_S))
        others = [(role,) for role in system.roles if role not in SENDERS]
        look = killed_in_turn(system, look, others)
        give(system, "pause", ("REDUCING", "operator"))
        pair = (SUPERVISOR, TRADING_BOT)
        killed_in_turn(system, look, [*((role,) for role in SENDERS), pair, system.roles])
        give(system, "resume", ("ACTIVE", "none"))

        report = check_books(system)
        assert "local state equals the exchange: yes" in report
        assert "every open position has a live stop: yes" in report
        check_end(system)


def test_plan_when_made_from_a_seed_then_it_is_always_the_same_and_hits_everybody() -> None:
    """A failing run can be repeated, and a thousand blows leave nobody out."""
    services = ("web", "page")
    first, again, other = (blows(seed, services) for seed in (1, 1, 2))
    plan = [next(first) for _ in range(1000)]

    assert plan == [next(again) for _ in range(1000)]
    assert plan != [next(other) for _ in range(1000)]
    hit = {(target, blow.number) for blow in plan for target in blow.targets}
    assert hit >= {(role, signal.SIGKILL) for role in (GUARDIAN, SUPERVISOR, *services)}
    assert hit >= {(role, signal.SIGSTOP) for role in (SUPERVISOR, *services)}
