"""Which account an exchange opens: the one of its market, or a new one with seeded names."""

from __future__ import annotations

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
    identity = f"{market.identity}|seed={seed}|cash={cash}"
    known = store.account(identity)
    if known is not None and not (known.ended and known.closed_cleanly):
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
