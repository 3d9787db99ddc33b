"""What only a simulated exchange has: its status, and the lock-step between the processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import moment_of, read_body, reply, short_stamp
from services.exchange_sim.http.together import Reads, Together, read_asked
from services.exchange_sim.lockstep import Participant
from services.exchange_sim.records import Refusal
from services.exchange_sim.ticket import bad_form
from services.exchange_sim.wire import Document

WAIT_S_MAX = 30.0
WAIT_S_DEFAULT = 5.0
_CONFLICT = 409
_NOT_LOCK_STEP = 40910000


class SimRoutes:
    """The endpoints under /sim. `ahead` makes ready what the next minute needs; it may be left
    undone.
    """

    def __init__(
        self, exchange: Exchange, together: Together, ahead: Sequence[Callable[[], object]] = ()
    ) -> None:
        self._exchange = exchange
        self._together = together
        self._ahead = ahead
        self._moved = asyncio.Event()
        exchange.listeners.minute = self._wake

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/sim/status", self.status),
            Route("/sim/lockstep", self.lockstep, methods=["POST"]),
            Route("/sim/together", self.together, methods=["POST"]),
        ]

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def status(self, _request: Request) -> Response:
        """GET what is simulated and where it stands."""
        exchange = self._exchange
        account, market = exchange.books.account, exchange.market
        return reply(
            {
                "source": market.source,
                "speed": exchange.pace.speed,
                "now": short_stamp(exchange.now),
                "minute": short_stamp(account.minute) if account.minute else None,
                "ended": exchange.ended,
                "account_id": account.account_id,
                "epoch": account.epoch,
                "symbols": list(market.symbols),
                "dropped_rows": dict(market.dropped_rows),
                "seed": account.seed,
            }
        )

    async def lockstep(self, request: Request) -> Response:
        """POST: report a finished minute, then wait for the next one, at most `timeout_s`. With it
        come the answers to the reads that the body asks for.
        """
        exchange = self._exchange
        if not exchange.pace.is_lock_step:
            raise Refusal(_CONFLICT, _NOT_LOCK_STEP, "this exchange runs freely, not in lock-step")
        body = await read_body(request)
        try:
            participant = Participant(str(body.get("participant")))
            wait_s = float(body.get("timeout_s", WAIT_S_DEFAULT))
        except (ValueError, TypeError, OverflowError):
            raise bad_form("participant must be data-daemon or trading-bot") from None
        reads = Reads(self._together, request.scope, read_asked(body))
        finished = body.get("finished")
        if finished:
            exchange.report(participant, moment_of(str(finished), "finished"))
        await self._wait(participant, min(max(0.0, wait_s), WAIT_S_MAX), reads)
        answer = self._answer(participant)
        if reads.asked and answer["minute"] is not None:
            answer["told"] = await reads.answers(exchange.edition)
        return reply(answer)

    async def together(self, request: Request) -> Response:
        """POST: the answers to the reads that the body asks for, all of this very moment."""
        asked = read_asked(await read_body(request))
        return reply({"told": await self._together.answers(request.scope, asked)})

    async def _wait(self, participant: Participant, wait_s: float, reads: Reads) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while not self._has_news(participant) and loop.time() < deadline:
            moved = self._moved
            # Whoever has the minute now gets his answer first.
            await asyncio.sleep(0)
            await self._work_ahead(participant, reads)
            try:
                async with asyncio.timeout_at(deadline):
                    await moved.wait()
            except TimeoutError:
                return

    async def _work_ahead(self, participant: Participant, reads: Reads) -> None:
        """Use the time in which the other one works on the minute, and nothing changes."""
        if participant is Participant.TRADING_BOT:
            await reads.prepare(self._exchange.edition)
            return
        for prepare in self._ahead:
            prepare()
            await asyncio.sleep(0)

    def _has_news(self, participant: Participant) -> bool:
        return self._exchange.ended or self._exchange.gate.released_to(participant) is not None

    def _answer(self, participant: Participant) -> Document:
        reading = self._exchange.clock()
        minute = self._exchange.gate.released_to(participant)
        return {
            "minute": short_stamp(minute) if minute else None,
            "now": short_stamp(reading.now),
            "is_open": reading.is_open,
            "next_open": short_stamp(reading.next_open),
            "next_close": short_stamp(reading.next_close),
            "ended": self._exchange.ended,
        }
