"""The data stream's conversation, what it tells, who may connect, and both dialects."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.data_plan import PLANS, DataPlan
from services.exchange_sim.market.port import (
    BarClosed,
    BarOpened,
    Market,
    MarketEvent,
    TickQuery,
    TradeTick,
)
from services.exchange_sim.market.seeded import SEEDED_BEGINS_AT
from services.exchange_sim.streams.connections import Connections
from services.exchange_sim.streams.data_conversation import CHANNELS, Conversation
from services.exchange_sim.streams.dialects import (
    Message,
)
from services.exchange_sim.streams.narration import Narrator, mending_messages, trade_messages
from tests.support.bar_texts import minutes_from, replay_of, seeded, write_bars

pytestmark = pytest.mark.unit

BEGIN = SEEDED_BEGINS_AT
MINUTE = timedelta(minutes=1)
AUTH = {"action": "auth", "key": "k", "secret": "s"}


def speaking(plan: DataPlan = PLANS["unlimited"], admitted: int | None = None) -> Conversation:
    """Return a conversation with a client whose keys get that answer."""
    return Conversation(plan, lambda key, secret: admitted if key and secret else 402)


def code_of(conversation: Conversation, message: dict[str, Any] | None) -> int | None:
    """Return the error code of the answer, None when it is none."""
    code = conversation.answer(message).message.document.get("code")
    return None if code is None else int(code)


def listening(plan: DataPlan = PLANS["unlimited"]) -> Conversation:
    """Return a conversation that is authenticated."""
    conversation = speaking(plan)
    conversation.answer(AUTH)
    return conversation


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (None, 400),
        ({}, 401),
        ({"action": "subscribe", "bars": ["A"]}, 401),
        ({"action": "auth", "key": "", "secret": ""}, 402),
        (AUTH, None),
    ],
)
def test_stranger_when_speaking_then_hears_the_code_of_its_mistake(
    message: dict[str, Any] | None, code: int | None
) -> None:
    """400 unreadable, 401 before authentication, 402 wrong keys."""
    assert code_of(speaking(), message) == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (AUTH, 403),
        ({"action": "dance"}, 400),
        ({"action": "subscribe", "bars": "SPY"}, 400),
        ({"action": "subscribe", "bars": [1]}, 400),
        ({"action": "subscribe", "bars": ["\ud800"]}, 400),
        ({"action": "subscribe", "bars": ["A" * 33]}, 400),
        ({"action": "subscribe", "bars": [f"S{number}" for number in range(20_001)]}, 405),
        ({"action": "subscribe", "what": ["ever"]}, None),
    ],
)
def test_client_when_authenticated_then_hears_the_code_of_its_mistake(
    message: dict[str, Any], code: int | None
) -> None:
    """403 twice authenticated, 400 for what is no subscription; unknown fields are ignored."""
    assert code_of(listening(), message) == code


@pytest.mark.parametrize("admitted", [402, 406, 408, 409, 500])
def test_keys_when_refused_then_the_code_is_said_and_final_ones_end_the_connection(
    admitted: int,
) -> None:
    """After 402 the client may try again; the others close."""
    answer = speaking(admitted=admitted).answer(AUTH)
    assert answer.message.document["code"] == admitted
    assert answer.ends is (admitted != 402)


def test_handshake_when_it_carries_keys_then_they_count_at_once() -> None:
    """Authentication by header needs no message."""
    conversation = speaking()
    words = [answer.message.document["msg"] for answer in conversation.greet("k", "s")]
    assert words == ["connected", "authenticated"]
    assert [a.message.document["msg"] for a in speaking().greet("", "")] == ["connected"]


NAMES = st.lists(st.sampled_from(["AAPL", "SPY", "msft", "*"]), max_size=4)
REQUESTS = st.lists(
    st.tuples(st.sampled_from(["subscribe", "unsubscribe"]), st.sampled_from(CHANNELS), NAMES),
    max_size=12,
)


@given(REQUESTS)
def test_subscriptions_in_any_order_then_are_a_set_and_repeating_changes_nothing(
    requests: list[tuple[str, str, list[str]]],
) -> None:
    """Doubled and piecewise subscriptions are idempotent; the answer is the whole state; trades
    bring their corrections and cancellations along.
    """
    conversation = listening()
    expected: dict[str, set[str]] = {channel: set() for channel in CHANNELS}
    for action, channel, names in requests:
        upper = {name.upper() for name in names}
        along = ("trades", "corrections", "cancelErrors") if channel == "trades" else (channel,)
        for one in along:
            expected[one] = (
                expected[one] | upper if action == "subscribe" else expected[one] - upper
            )
        request = {"action": action, channel: names}
        first, again = conversation.answer(request), conversation.answer(request)
        assert first.message.document == again.message.document
        assert {name: set(first.message.document[name]) for name in CHANNELS} == expected
        for name in CHANNELS:
            wanted = "AAPL" in expected[name] or "*" in expected[name]
            assert conversation.wants(name, "AAPL") is wanted


def test_symbols_when_more_than_the_plan_holds_then_405_and_nothing_changes() -> None:
    """The Basic plan has thirty symbols; everything at once is too much for trades and quotes."""
    conversation = listening(PLANS["basic"])
    thirty = [f"S{number}" for number in range(30)]
    assert code_of(conversation, {"action": "subscribe", "bars": thirty, "trades": thirty}) is None
    assert code_of(conversation, {"action": "subscribe", "quotes": ["ONE.MORE"]}) == 405
    assert not conversation.wants("quotes", "ONE.MORE")
    assert conversation.wants("bars", "S1")
    assert code_of(conversation, {"action": "subscribe", "bars": ["*"]}) is None
    assert code_of(conversation, {"action": "subscribe", "quotes": ["*"]}) == 405
    assert (
        code_of(conversation, {"action": "unsubscribe", "bars": thirty, "trades": thirty}) is None
    )
    assert code_of(conversation, {"action": "subscribe", "quotes": ["ONE.MORE"]}) is None


def test_connections_when_one_died_without_a_close_then_it_counts_for_its_time() -> None:
    """A clean goodbye frees the place at once, a cut line only after the zombie's time."""
    connections = Connections(1, 90.0)
    assert connections.enter("a", "iex", 0.0)
    assert not connections.enter("b", "iex", 0.0)
    assert connections.enter("c", "sip", 0.0)
    connections.leave("a", 1000, 1.0)
    assert connections.enter("d", "iex", 1.0)
    connections.leave("d", 1006, 2.0)
    assert not connections.enter("e", "iex", 91.0)
    assert connections.enter("e", "iex", 92.0)
    connections.leave("nobody", 1006, 2.0)
    connections.leave("e", None, 93.0)
    assert connections.enter("f", "iex", 93.0)


def everything(channel: str, symbol: str) -> bool:
    return bool(channel and symbol)


def told(market: Market, minutes: int, narrator: Narrator | None = None) -> list[Message]:
    """Return what everybody hears in the first minutes."""
    narrator = narrator or Narrator(market)
    events: list[MarketEvent] = [*market.first_events()]
    events.extend(market.events(BEGIN, BEGIN + minutes * MINUTE))
    return narrator.tell(events, everything)


def test_narration_of_a_minute_then_its_trades_make_its_bar() -> None:
    """All twelve trades are told, the first one with the opening; bars carry n and vw of them."""
    messages = told(seeded(1, "AAPL"), 1)
    trades = [m.document for m in messages if m.channel == "trades"][:12]
    bar = next(m.document for m in messages if m.channel == "bars")

    assert sum(trade["s"] for trade in trades) == bar["v"]
    assert (bar["n"], bar["T"], bar["S"]) == (12, "b", "AAPL")
    turnover = sum(Decimal(str(trade["p"])) * trade["s"] for trade in trades)
    assert abs(float(turnover) / bar["v"] - bar["vw"]) < 1e-6
    kinds = {m.document["T"] for m in messages}
    assert {"t", "q", "b", "d", "l"} <= kinds


@pytest.mark.no_cover
def test_mistakes_in_telling_trades_then_are_mended_and_never_reach_history() -> None:
    """Over half a day some trades are corrected and some cancelled: each mended message names a
    trade that was told, and what remains is history's trades.
    """
    market = seeded(1, "AAPL", "SPY")
    messages = told(market, 720)
    live: dict[tuple[str, int], Any] = {}
    mended = {"c": 0, "x": 0}
    for document in (message.document for message in messages):
        symbol = document["S"]
        if document["T"] == "t":
            live[(symbol, document["i"])] = document["c"]
        elif document["T"] == "c":
            assert live.pop((symbol, document["oi"])) == document["oc"]
            live[(symbol, document["oi"])] = document["cc"]
            mended["c"] += 1
        elif document["T"] == "x":
            del live[(symbol, document["i"])]
            mended["x"] += 1
    assert mended["c"] > 5
    assert mended["x"] > 5
    end = BEGIN + timedelta(minutes=720)
    for symbol in market.symbols:
        history = market.trades(TickQuery(symbol, BEGIN, end - timedelta(seconds=1), end))
        kept = [key for key in live if key[0] == symbol and key[1] < end.timestamp() * 1000]
        assert len(kept) == len(history)
    updated = [m.document for m in messages if m.channel == "updatedBars"]
    bars = {(m.symbol, m.document["t"]): m.document for m in messages if m.channel == "bars"}
    assert updated
    for document in updated:
        assert {**document, "T": "b"} == bars[(document["S"], document["t"])]


def test_replay_when_its_minute_closes_then_the_trades_not_told_yet_come_before_the_bar(
    tmp_path: Path,
) -> None:
    """Recorded bars have no trades of their own in the engine; the stream tells the taken ones."""
    rows = [
        line.rsplit(",", 1)[0] + ",1200" for line in minutes_from("2019-02-11T14:30:00+00:00", 3)
    ]
    write_bars(tmp_path, "AA_1min.csv", rows)
    market = replay_of(tmp_path)
    begin = market.begins_at
    events = market.events(begin - MINUTE, begin + MINUTE - timedelta(seconds=1))
    narrator = Narrator(market)
    assert [m.document["T"] for m in narrator.tell(events, everything)].count("t") == 1
    closed = market.events(begin + MINUTE - timedelta(seconds=1), begin + MINUTE)
    kinds = [m.document["T"] for m in narrator.tell(closed, everything) if m.document["T"] in "tb"]
    opened = sum(isinstance(event, BarOpened) for event in closed)
    assert kinds[: 12 - opened + opened] == ["t"] * 11 + ["b"]


def test_halt_when_switched_then_statuses_are_told_and_the_symbol_is_silent() -> None:
    """H and T once each; no trade, quote or bar of a halted symbol in between."""
    market = seeded(1, "AAPL", "SPY")
    narrator = Narrator(market)
    halted = narrator.halts(frozenset({"AAPL"}), BEGIN)
    assert narrator.halts(frozenset({"AAPL"}), BEGIN) == []
    silent = told(market, 2, narrator)
    resumed = narrator.halts(frozenset(), BEGIN + MINUTE)
    assert [m.document["sc"] for m in (*halted, *resumed)] == ["H", "T"]
    assert {m.symbol for m in silent} == {"SPY"}
    assert {m.symbol for m in told(market, 1, narrator)} == {"AAPL", "SPY"}


def test_narration_when_nobody_wants_a_channel_then_it_costs_nothing() -> None:
    """Only bars are told of when only bars are wanted."""
    market = seeded(1, "AAPL")
    events = market.events(BEGIN, BEGIN + 2 * MINUTE)
    assert any(isinstance(event, BarClosed) for event in events)
    messages = Narrator(market).tell(events, lambda channel, _: channel == "bars")
    assert {message.channel for message in messages} == {"bars"}


def test_trade_messages_when_nothing_went_wrong_then_nothing_is_mended() -> None:
    """Most trades are told once."""
    trades = [TradeTick(BEGIN + n * MINUTE, "AAPL", Decimal("1.5"), 100) for n in range(300)]
    doubled = sum(len(list(trade_messages(trade))) - 1 for trade in trades)
    mended = [message.document["T"] for message in mending_messages(trades, BEGIN)]
    assert mended.count("x") == doubled
    assert len(mended) < 10
