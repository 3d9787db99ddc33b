"""What ends with a session: its event streams, its copies, and nothing of anybody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.dashboard.access import Bound
from services.dashboard.auth import ENDED_REMEMBERED_MAX, SESSION_S, Keeper
from services.dashboard.snapshot import SECTIONS
from tests.support.clock import ManualClock
from tests.support.dashboard_handlers import TOKEN, Page

pytestmark = pytest.mark.integration

WIDE, LOCAL = Bound("0.0.0.0"), Bound("127.0.0.1")
LIMIT_S = 5.0


async def next_event(stream: AsyncIterator[Any]) -> Any:
    """The next event, None when the stream has ended."""
    return await asyncio.wait_for(anext(stream, None), LIMIT_S)


@pytest.fixture(params=[WIDE, LOCAL], ids=["beyond loopback", "loopback"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Page:
    """A dashboard in this process."""
    return Page(tmp_path, request.param)


def test_stream_when_its_session_grows_too_old_ends(page: Page) -> None:
    """Twelve hours are twelve hours for what is already open, too, to the second."""

    async def story() -> None:
        page.refresh()
        answer = await page.ask("GET", "/api/events", **page.signed_in())
        stream = aiter(answer.body_iterator)
        assert [(await next_event(stream))["event"] for _ in range(2)] == ["status", "page"]
        page.clock.advance(SESSION_S)
        page.refresh()
        assert (await next_event(stream))["event"] == "status"
        page.clock.advance(1)
        page.refresh()
        assert await next_event(stream) is None

    asyncio.run(story())


def test_stream_when_somebody_signs_out_ends_and_another_session_goes_on(page: Page) -> None:
    """The cookie is dead on the server, so a copy of it opens nothing again; another browser that
    signed in within the same second is not concerned.
    """

    async def story() -> None:
        page.refresh()
        leaving, staying = page.signed_in(), page.signed_in()
        streams = [
            aiter((await page.ask("GET", "/api/events", **one)).body_iterator)
            for one in (leaving, staying)
        ]
        for stream in streams:
            assert [(await next_event(stream))["event"] for _ in range(2)] == ["status", "page"]
        own = {"origin": "http://127.0.0.1:8000"}
        assert (await page.ask("POST", "/sign-out", **leaving, **own)).status_code == 303
        page.refresh()
        assert await next_event(streams[0]) is None
        assert (await next_event(streams[1]))["event"] == "status"
        statuses = [
            (await page.ask("POST", "/api/unified/pause", **one, **own)).status_code
            for one in (leaving, {})
        ]
        assert statuses == [401, 401]

    asyncio.run(story())


def test_streams_when_they_have_seen_the_same_are_told_the_same_words(page: Page) -> None:
    """What changed is written once for all of them; who comes later gets the whole."""

    async def story() -> None:
        page.refresh()
        streams = []
        for _ in range(3):
            answer = await page.ask("GET", "/api/events", **page.signed_in())
            streams.append(aiter(answer.body_iterator))
        first = [[await next_event(stream) for _ in range(2)][1]["data"] for stream in streams]
        assert first[0] is first[1] is first[2]
        page.render = lambda name: f"<p>{name}, newer</p>" if name == "bar" else f"<p>{name}</p>"
        page.refresh()
        later = [[await next_event(stream) for _ in range(2)][1]["data"] for stream in streams]
        assert later[0] is later[1] is later[2]
        assert json.loads(later[0]) == {"bar": "<p>bar, newer</p>"}
        answer = await page.ask("GET", "/api/events", **page.signed_in())
        stream = aiter(answer.body_iterator)
        whole = [await next_event(stream) for _ in range(2)][1]["data"]
        assert set(json.loads(whole)) == set(SECTIONS)

    asyncio.run(story())


def test_sign_out_when_a_page_of_another_site_asks_for_it_ends_nothing(page: Page) -> None:
    """Nobody else signs the operator out at three in the morning."""

    async def story() -> None:
        session = page.signed_in()
        cookie = session["cookie"].partition("=")[2]
        for foreign in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {}):
            assert (await page.ask("POST", "/sign-out", **session, **foreign)).status_code == 403
        assert page.keeper.is_session(cookie)

    asyncio.run(story())


def test_keeper_when_many_sessions_were_ended_remembers_the_newest() -> None:
    """The memory has a bound; what is no session takes no place in it."""
    keeper = Keeper(TOKEN, ManualClock())
    keeper.end_session("1.2.3")
    sessions = [keeper.make_session() for _ in range(ENDED_REMEMBERED_MAX + 2)]
    for cookie in sessions:
        keeper.end_session(cookie)
    assert [keeper.is_session(cookie) for cookie in (*sessions[:3], sessions[-1])] == [
        True,
        True,
        False,
        False,
    ]
