"""One running system under supervisord, from which one after the other is killed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from services.supervisor.table import TRADING_BOT
from tests.kill.blows import GUARDIAN, SUPERVISOR, Blow, blows
from tests.kill.ending import check_books, check_end
from tests.kill.guarded import guarded
from tests.kill.trial import START_WITHIN_S, Wanted, try_blow, until_whole

pytestmark = pytest.mark.integration


@pytest.mark.timeout(240)
def test_tree_when_each_is_killed_in_turn_then_two_then_all_then_it_is_whole_again(
    tmp_path: Path,
) -> None:
    """After every blow: whole, nobody double or left over, nobody else touched (the bot keeps its
    pid when only guardian or supervisor died), `seq` grown, an incident of each; and in the end
    the books equal the exchange's, with a stop for every position.
    """
    with guarded(tmp_path) as system:
        look = until_whole(system, Wanted(0.0, START_WITHIN_S))
        everybody = (*system.services, SUPERVISOR, GUARDIAN)
        one_by_one = [(role,) for role in everybody]
        for targets in (*one_by_one, (SUPERVISOR, TRADING_BOT), everybody):
            kind = "tree" if targets == everybody else "some"

            look, _ = try_blow(system, look, Blow(kind, targets, signal.SIGKILL, pause_s=0.0))

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
