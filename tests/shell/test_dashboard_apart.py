"""Large answers of the dashboard: made beside the event loop, and once for the same rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.dashboard.access import Bound
from services.dashboard.documents import BOT_STATUS_FRESH_S, Reading
from services.dashboard.sources import EQUITY_POINTS_MAX
from tests.support import documents as sample
from tests.support.dashboard_handlers import Page
from tests.support.readings import reading

pytestmark = pytest.mark.integration

POINTS = tuple(sample.equity_points(EQUITY_POINTS_MAX))
DENIALS = tuple(sample.denial(number) for number in range(100))


class Ledger:
    """What is read; the rows can be changed."""

    def __init__(self) -> None:
        self.equity = POINTS

    def read(self) -> Reading:
        """The rows as they stand now, the same tuple while nothing changed."""
        return reading(equity=self.equity, denials=DENIALS)


async def turns_during(work: Callable[[], Any]) -> int:
    """How often the event loop came round while the work went on."""
    turns, is_over = 0, False

    async def count() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await asyncio.sleep(0)
    began = turns
    await work()
    is_over = True
    await counting
    return turns - began


@pytest.mark.parametrize("path", ["/api/unified/equity", "/api/unified/rejections", "/", "/log"])
def test_answer_when_it_is_large_leaves_the_loop_to_others(tmp_path: Path, path: str) -> None:
    """A stop that comes while five thousand points become text does not wait for them."""

    async def story() -> None:
        page = Page(tmp_path, Bound("127.0.0.1"), Ledger().read)
        page.refresh()
        assert await turns_during(lambda: page.ask("GET", path)) >= 2

    asyncio.run(story())


def test_answer_when_nothing_changed_is_the_one_made_before(tmp_path: Path) -> None:
    """Who asks again and again costs nothing; new points and a silent bot make a new answer."""
    ledger = Ledger()

    async def story() -> None:
        page = Page(tmp_path, Bound("127.0.0.1"), ledger.read)
        bodies = []

        async def ask() -> dict[str, Any]:
            page.refresh()
            answer = await page.ask("GET", "/api/unified/equity")
            bodies.append(answer.body)
            document: dict[str, Any] = json.loads(answer.body)
            return document

        first = await ask()
        assert first["equity"] == [dict(point) for point in POINTS]
        await ask()
        assert bodies[0] is bodies[1]
        ledger.equity = POINTS[1:]
        assert (await ask())["count"] == EQUITY_POINTS_MAX - 1
        assert first["numbers_fresh"] is True
        page.clock.advance(BOT_STATUS_FRESH_S + 1)
        assert (await ask())["numbers_fresh"] is False

    asyncio.run(story())
