"""Long readings beside everything else: one slice at a time, one reading after the other."""

from __future__ import annotations

import asyncio

from services.exchange_sim.steps import Result, Steps

SLICE_S = 0.01
"""So long a reading may hold up the exchange before it lets the others go first."""


class Turns:
    """Carries out readings in steps. A short one never waits; of the long ones only one works
    between two turns of the loop, so that many together hold it up no longer than one does.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def finish(self, steps: Steps[Result]) -> Result:
        """Carry the steps out and return their result; raises what they raise."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        holds_turn = False
        try:
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                if clock() - begun < SLICE_S:
                    continue
                if holds_turn:
                    self._turn.release()
                    holds_turn = False
                await asyncio.sleep(0)
                await self._turn.acquire()
                holds_turn = True
                begun = clock()
        finally:
            if holds_turn:
                self._turn.release()
