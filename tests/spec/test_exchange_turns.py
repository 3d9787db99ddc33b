"""Long readings take turns, short ones go first, and none takes the turn with it."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.exchange_sim.http.turns import SLICE_S, Turns
from services.exchange_sim.steps import Steps, at_once

pytestmark = pytest.mark.unit


def _work(name: str, steps: int, log: list[str]) -> Steps[str]:
    """Work for longer than a slice in each step."""
    for _ in range(steps):
        until = time.monotonic() + 1.5 * SLICE_S
        while time.monotonic() < until:
            pass
        log.append(name)
        yield
    return name


def _broken(log: list[str]) -> Steps[str]:
    yield from _work("broken", 2, log)
    raise ValueError("no more")


def test_steps_when_carried_out_at_once_then_give_their_result() -> None:
    """Where nobody waits, the same work needs no loop."""
    assert at_once(_work("alone", 1, [])) == "alone"


def test_readings_when_several_are_long_then_they_alternate_and_a_short_one_is_not_held_up() -> (
    None
):
    """Between two turns of the loop only one long reading works; one that breaks off gives its
    turn back.
    """
    log: list[str] = []

    async def short() -> str:
        await asyncio.sleep(4 * SLICE_S)
        found = await turns.finish(_work("short", 1, log))
        log.append("short done")
        return found

    turns = Turns()

    async def run() -> list[str | BaseException]:
        long = [turns.finish(_work(name, 12, log)) for name in ("one", "two")]
        working = asyncio.gather(*long, turns.finish(_broken(log)), short(), return_exceptions=True)
        return await asyncio.wait_for(working, 20)

    one, two, broken, soon = asyncio.run(run())

    assert (one, two, soon) == ("one", "two", "short")
    assert isinstance(broken, ValueError)
    done = log.index("short done")
    assert {"one", "two"} <= set(log[done:])
    late = [name for name in log[done:] if name != "short done"]
    runs = [late[place : place + 3] for place in range(len(late) - 6)]
    assert all(len(set(run)) > 1 for run in runs)
