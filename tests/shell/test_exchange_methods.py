"""alpaca-py's whole TradingClient and TradingStream against a real exchange-sim, by a table."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import CorporateActionType
from alpaca.trading.requests import (
    CreateWatchlistRequest,
    GetCorporateAnnouncementsRequest,
    GetOptionContractsRequest,
    UpdateWatchlistRequest,
)
from alpaca.trading.stream import TradingStream

from tests.support.exchange_methods import WORKS, Bench
from tests.support.exchange_process import ExchangeProcess, StreamThread, wait_until

pytestmark = pytest.mark.integration
REQUESTS: dict[str, tuple[Any, ...]] = {
    "create_watchlist": (CreateWatchlistRequest(name="a", symbols=["SPY"]),),
    "update_watchlist_by_id": (UUID(int=1), UpdateWatchlistRequest(name="b")),
    "get_option_contracts": (GetOptionContractsRequest(underlying_symbols=["SPY"]),),
    "get_corporate_announcements": (
        GetCorporateAnnouncementsRequest(
            ca_types=[CorporateActionType.SPLIT], since=date(2026, 1, 1), until=date(2026, 2, 1)
        ),
    ),
}
_NOBODY = UUID(int=1)
_WATCHLIST = "watchlists are lists for a person's page; no order and no price depends on them"
_OPTIONS = "this exchange trades us_equity only"
_NOTICES = "announcements tell of the future; splits reach a client in prices and activities"

NOT_OFFERED: Mapping[str, tuple[str, tuple[Any, ...]]] = {
    "add_asset_to_watchlist_by_id": (_WATCHLIST, (_NOBODY, "SPY")),
    "create_watchlist": (_WATCHLIST, ()),
    "delete_watchlist_by_id": (_WATCHLIST, (_NOBODY,)),
    "exercise_options_position": (_OPTIONS, ("SPY260116C00500000",)),
    "get_corporate_announcement_by_id": (_NOTICES, (_NOBODY,)),
    "get_corporate_announcements": (_NOTICES, ()),
    "get_option_contract": (_OPTIONS, ("SPY260116C00500000",)),
    "get_option_contracts": (_OPTIONS, ()),
    "get_watchlist_by_id": (_WATCHLIST, (_NOBODY,)),
    "get_watchlists": (_WATCHLIST, ()),
    "put": ("only watchlists are PUT", ("/watchlists/none", {})),
    "remove_asset_from_watchlist_by_id": (_WATCHLIST, (_NOBODY, "SPY")),
    "update_watchlist_by_id": (_WATCHLIST, ()),
}
"""Method → why it is not offered, and arguments to be refused with (none: a request is made)."""

NO_CALL = {"response_wrapper": "turns an answer into a model; it sends nothing"}
STREAM_METHODS = {"close", "run", "stop", "stop_ws", "subscribe_trade_updates"}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


def public_methods(kind: type) -> set[str]:
    """Return the names of a class's public methods."""
    return {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_tables_when_the_library_grows_a_method_then_they_must_name_it() -> None:
    """Every public method is proved to work, or stands here with the reason why not."""
    named = [*WORKS, *NOT_OFFERED, *NO_CALL]

    assert public_methods(TradingClient) == set(named)
    assert len(named) == len(set(named))
    assert public_methods(TradingStream) == STREAM_METHODS


@pytest.mark.parametrize("method", sorted(WORKS))
def test_method_when_called_on_the_exchange_then_it_works(
    exchange: ExchangeProcess, method: str
) -> None:
    """The client's own models parse every answer."""
    WORKS[method](Bench(exchange, exchange.trading()))


@pytest.mark.parametrize("method", sorted(NOT_OFFERED))
def test_method_when_it_is_not_offered_then_404_says_so(
    exchange: ExchangeProcess, method: str
) -> None:
    """Nothing pretends: the client gets its own error, never an empty success."""
    reason, arguments = NOT_OFFERED[method]

    with pytest.raises(APIError) as caught:
        getattr(exchange.trading(), method)(*REQUESTS.get(method, arguments))

    assert reason
    assert caught.value.status_code in (404, 405)
    assert caught.value.message == "endpoint not found."


@pytest.mark.parametrize("ending", ["stop", "stop_ws", "close"])
def test_trading_stream_when_each_of_its_methods_is_used_then_it_begins_and_ends(
    exchange: ExchangeProcess, ending: str
) -> None:
    """run, subscribe_trade_updates, and all three ways to leave."""
    stream = TradingStream("key", "secret", url_override=f"ws://127.0.0.1:{exchange.port}/stream")
    thread = StreamThread(stream)
    stream.subscribe_trade_updates(thread.handle)

    with thread:
        wait_until(lambda: stream._running)
        order = Bench(exchange, exchange.trading()).resting()
        update = thread.next()
        if ending == "stop":
            stream.stop()
        else:
            loop = stream._loop
            assert loop is not None
            asyncio.run_coroutine_threadsafe(getattr(stream, ending)(), loop)

    assert (update.event, update.order.id) == ("new", order.id)
