"""Carries splits into the books, over night: before the first order of the new day works."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from services.exchange_sim.books import Books
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.port import EarlyOpened, SessionOpened
from services.exchange_sim.market.rebased import RebasedMarket
from services.exchange_sim.movements import Movement, MovementKind, SplitRecord
from services.exchange_sim.order_splits import split_orders
from services.exchange_sim.records import ZERO
from services.exchange_sim.splits import SplitEffect, split_position
from services.exchange_sim.tape import Tape


class Splitting:
    """The splits of the market's files and those declared at this exchange."""

    def __init__(self, books: Books, market: RebasedMarket, tape: Tape) -> None:
        self._books = books
        self._market = market
        self._tape = tape
        self._tell_market()

    def _tell_market(self) -> None:
        self._market.declare(one for one in self._books.splits.values() if one.declared)

    def declare(self, symbol: str, ratio: Decimal, at: datetime, now: datetime) -> SplitRecord:
        """Declare a split from `at` on; it is carried out at once when that is not later."""
        split = SplitRecord(len(self._books.splits) + 1, symbol, at, ratio, declared=True)
        self._books.put_split(split)
        self._tell_market()
        if at <= now:
            self._carry_out(split, now)
        return split

    def begin_session(self, event: EarlyOpened | SessionOpened) -> None:
        """Carry out what became effective since the last session closed, once: before the
        pre-market where there is one.
        """
        books, day = self._books, event.session.day
        carried = {
            split.symbol
            for split in books.splits.values()
            if not split.declared and new_york_day(split.at) == day
        }
        for one in self._market.due(books.account.closed_day, day):
            if one.symbol in carried:
                continue
            seq = len(books.splits) + 1
            self._carry_out(SplitRecord(seq, one.symbol, event.at, one.ratio), event.at)
        for split in list(books.splits.values()):
            if not split.done and split.at <= event.at:
                self._carry_out(split, event.at)

    def _carry_out(self, split: SplitRecord, at: datetime) -> None:
        self._tape.forget(split.symbol)
        self._books.put_split(replace(split, done=True))
        split_orders(self._books, split.symbol, split.ratio, at)
        position = self._books.positions.get(split.symbol)
        if position is None:
            return
        price = self._tape.last(split.symbol, at) or position.avg_entry_price / split.ratio
        effect = split_position(position, split.ratio, price)
        self._books.book(split.symbol, effect.fill)
        self._note(split, effect, price, at)

    def _note(self, split: SplitRecord, effect: SplitEffect, price: Decimal, at: datetime) -> None:
        note = Movement(
            seq=self._books.next_activity_seq(),
            movement_id=self._books.new_name(),
            kind=MovementKind.SPLIT,
            at=self._books.stamp(at),
            amount=ZERO,
            symbol=split.symbol,
            qty=effect.qty_change,
            description=f"{split.ratio} new shares for one",
        )
        self._books.changes.activities.append(note)
        if effect.fraction:
            paid = replace(
                note,
                seq=self._books.next_activity_seq(),
                movement_id=self._books.new_name(),
                kind=MovementKind.CASH_IN_LIEU,
                at=self._books.stamp(at),
                amount=effect.fill.cash,
                qty=-effect.fraction,
                per_share=price,
                description="cash in lieu of a fraction of a share",
            )
            self._books.changes.activities.append(paid)
