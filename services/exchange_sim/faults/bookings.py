"""Faults in what the exchange does with orders and prices: through its own switches and books."""

from __future__ import annotations

import logging
from dataclasses import replace

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.fault import Fault, Occasion
from services.exchange_sim.faults.kinds import Stage
from services.exchange_sim.faults.reading import BadFault, FaultRequest
from services.exchange_sim.records import Refusal
from services.exchange_sim.splits import exact_ratio
from services.exchange_sim.switches import Switches
from shared.models.orders import OrderStatus
from shared.telemetry.logs import log_event

logger = logging.getLogger("exchange-sim")
_CODES = {403: 40310000, 422: 42210000, 500: 50010000}
_STUCK, _ROWS = "stuck_pending_cancel", "refused_rows"


class Bookings:
    """Keeps the exchange's switches as its own settings and the faults of now will have them."""

    def __init__(self, board: FaultBoard, exchange: Exchange) -> None:
        self._board = board
        self._exchange = exchange
        self._counted = {fault.id: self._counted_before(fault) for fault in board.all_live()}
        exchange.row_refusal = self._row_refusal
        self.tick()

    def _counted_before(self, fault: Fault) -> set[str]:
        """Return what an earlier process counted: whatever the fault had befallen by its end."""
        if self._board.document(fault)["acted"] == 0:
            return set()
        stuck = self._exchange.books.live_orders()
        return {fault.scope.symbol or ""} | {
            order.id for order in stuck if order.status is OrderStatus.PENDING_CANCEL
        }

    def check(self, request: FaultRequest) -> None:
        """Refuse what this market cannot do; raises BadFault."""
        problems: list[dict[str, str]] = []
        symbol = request.scope.symbol
        if symbol is not None and symbol not in self._exchange.market.symbols:
            known = ", ".join(self._exchange.market.symbols[:20])
            mend = f"does not trade here; known: {known}"
            problems.append({"field": "scope.symbol", "value": repr(symbol), "mend": mend})
        if request.kind == "overnight_split":
            try:
                exact_ratio(str(request.parameters["ratio"]))
            except ValueError as error:
                text = repr(request.parameters["ratio"])
                mend = f"write new shares for one old one, as 7 or 0.05 ({error})"
                problems.append({"field": "parameters.ratio", "value": text, "mend": mend})
        if problems:
            raise BadFault(problems)

    def tick(self) -> None:
        """Apply the faults of now and take back those that ended."""
        exchange = self._exchange
        wanted = exchange.switches
        if self._board.active:
            for fault in self._board.live(Stage.MARKET):
                wanted = self._market(fault, wanted)
            if any(one.kind == _STUCK for one in self._board.live(Stage.BOOK)):
                wanted = replace(wanted, stuck_cancels=True)
                self._count_stuck()
        if exchange.books.switches != wanted:
            exchange.books.switches = wanted

    def _market(self, fault: Fault, wanted: Switches) -> Switches:
        symbol = fault.scope.symbol or ""
        if fault.kind == "halt":
            self._count(fault, symbol)
            return replace(wanted, halted=wanted.halted | {symbol})
        exchange = self._exchange
        try:
            ratio = exact_ratio(str(fault.parameters["ratio"]))
            if symbol not in exchange.market.symbols:
                raise ValueError(f"{symbol} does not trade here")
        except ValueError as error:
            log_event(logger, "split_refused", str(error), level=logging.WARNING)
            self._board.switch_off(fault.id)
            return wanted
        night = exchange.clock().next_open
        exchange.book(lambda: exchange.splitting.declare(symbol, ratio, night, exchange.now))
        self._board.acted(fault)
        self._board.flush()  # at once: killed before the next tick, it would split twice
        return wanted

    def _count_stuck(self) -> None:
        for order in self._exchange.books.live_orders():
            if order.status is OrderStatus.PENDING_CANCEL:
                for fault in self._board.live(Stage.BOOK):
                    if fault.kind == _STUCK:
                        self._count(fault, order.id)

    def _count(self, fault: Fault, what: str) -> None:
        """Count each thing that a lasting fault befell once."""
        befallen = self._counted.setdefault(fault.id, set())
        if what not in befallen:
            befallen.add(what)
            self._board.acted(fault)

    def _row_refusal(self, symbol: str) -> Refusal | None:
        if not self._board.active:
            return None
        occasion = Occasion(symbols=frozenset({symbol}))
        for fault in self._board.choose(Stage.BOOK, occasion):
            if fault.kind == _ROWS:
                self._board.acted(fault)
                status = int(fault.parameters["status"])
                fields = {"symbol": symbol}
                message = "the request was refused by the exchange"
                return Refusal(status, _CODES[status], message, fields)
        return None
