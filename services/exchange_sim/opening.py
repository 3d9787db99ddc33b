"""Which account an exchange opens: the one of its market, or a new one with seeded names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from services.exchange_sim.books import Books
from services.exchange_sim.market.port import Market
from services.exchange_sim.naming import account_id, epoch_of
from services.exchange_sim.records import AccountRecord
from services.exchange_sim.store import Store


def open_books(store: Store, market: Market, seed: int, cash: Decimal) -> Books:
    """Return the books of the account that belongs to this market and this cash.

    A new account is opened for other settings, and after a replay that ended and was closed.
    An ended replay whose process was killed is taken up again as ended: somebody may still
    want to read its result.
    """
    identity = _identity(market.identity, seed, cash)
    known = _standing(store, identity)
    if known is not None:
        return store.load(known)
    number = store.account_count()
    begins = market.begins_at
    account = AccountRecord(
        account_id=account_id(seed, number),
        number=number,
        epoch=epoch_of(seed, number),
        identity=identity,
        seed=seed,
        created_at=begins,
        now=begins,
        start_cash=cash,
        cash=cash,
        last_equity=cash,
        session_open=market.clock(begins).is_open,
    )
    store.open_account(account)
    return store.load(account)


def beginning_in(store: Store, seed: int, cash: Decimal) -> Callable[[str], datetime | None]:
    """Return what says when the account began that `open_books` would take up again in a market
    of that identity; None when it would open a new one.
    """

    def begun_at(market_identity: str) -> datetime | None:
        known = _standing(store, _identity(market_identity, seed, cash))
        return known.created_at if known is not None else None

    return begun_at


def _identity(market_identity: str, seed: int, cash: Decimal) -> str:
    return f"{market_identity}|seed={seed}|cash={cash}"


def _standing(store: Store, identity: str) -> AccountRecord | None:
    known = store.account(identity)
    is_over = known is not None and known.ended and known.closed_cleanly
    return None if is_over else known
