"""Reads answered within another request: what breaks there is left to be asked alone."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.exchange_sim.http.together import Reads, Together

pytestmark = pytest.mark.unit

SCOPE = {"type": "http", "http_version": "1.1", "scheme": "http", "headers": []}


async def _good(request: Request) -> Response:
    return JSONResponse(request.query_params.get("word"))


async def _broken(request: Request) -> Response:
    raise OverflowError(request.url.path)


def test_answers_when_one_read_breaks_then_the_others_are_told() -> None:
    """A defect of one read costs neither the report it came with nor the reads beside it."""
    together = Together(lambda: False)
    together.application = Starlette(
        routes=[Route("/v2/good", _good), Route("/v2/broken", _broken)]
    )

    told = asyncio.run(together.answers(SCOPE, ["/v2/broken", "/v2/good?word=a%20b"]))

    assert [(one["address"], one["body"]) for one in told] == [("/v2/good?word=a%20b", '"a b"')]


def counting(is_disturbed: list[bool]) -> tuple[Together, list[int]]:
    """Return what answers with how often it was asked, and those counts."""
    asked: list[int] = []

    async def count(_: Request) -> Response:
        asked.append(len(asked) + 1)
        return JSONResponse(asked[-1])

    together = Together(lambda: is_disturbed[0])
    together.application = Starlette(routes=[Route("/v2/count", count)])
    return together, asked


def test_reads_when_answered_ahead_then_asked_anew_only_after_a_change() -> None:
    """While nothing has changed the answers of before are those of now."""
    together, asked = counting([False])

    async def told(*editions: int) -> list[str]:
        reads = Reads(together, SCOPE, ["/v2/count"])
        for edition in editions[:-1]:
            await reads.prepare(edition)
        return [one["body"] for one in await reads.answers(editions[-1])]

    assert asyncio.run(told(7, 7, 7)) == ["1"]
    assert asyncio.run(told(7, 8)) == ["3"]
    assert asyncio.run(told(9)) == ["4"]
    assert len(asked) == 4


def test_reads_when_a_fault_begins_after_they_were_answered_then_none_are_told() -> None:
    """Each read then has to meet the fault by itself."""
    is_disturbed = [False]
    together, _ = counting(is_disturbed)
    reads = Reads(together, SCOPE, ["/v2/count"])
    asyncio.run(reads.prepare(1))

    is_disturbed[0] = True

    assert asyncio.run(reads.answers(1)) == []
