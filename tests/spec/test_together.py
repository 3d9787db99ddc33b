"""Reads answered within another request: what breaks there is left to be asked alone."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.exchange_sim.http.together import Together

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
