"""What a bot that starts again still knows: its own legs, its own account and mode."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.trading_bot.account_state import open_memory
from services.trading_bot.startup import Ignition, Waiting, hold_lock, start
from shared.clock import SystemClock
from shared.config.endpoints import exchange_endpoints, write_endpoints
from shared.config.settings import Settings
from shared.contracts.alpaca_orders import read_order
from shared.contracts.drift import SchemaDrift
from shared.events.orders import order_from_seen
from shared.events.types import IntentRecorded, OrderSeen
from shared.models.orders import OrderRole
from shared.persistence.state_store import StateStore
from shared.telemetry.notify import Notifier
from shared.vendors.connect import open_broker
from tests.support.alpaca_payloads import raw_account, raw_bracket, raw_order
from tests.support.bot_house import BEFORE, BotHouse, FakeStream, seeing_a_breakout, steps
from tests.support.scripted_alpaca import ScriptedAlpaca
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
EPOCH = "h5salyam"


@pytest.fixture
def alpaca() -> Iterator[ScriptedAlpaca]:
    """A broker that answers what a start asks."""
    with ScriptedAlpaca() as server:
        status = {"source": "seeded", "account_id": raw_account()["id"], "epoch": EPOCH}
        server.on("GET", "/v2/account", (200, raw_account()))
        server.on("GET", "/sim/status", (200, {**status, "symbols": ["SPY"], "ended": False}))
        server.on("GET", "/v2/account/configurations", (200, {"no_shorting": True}))
        yield server


def settings_at(folder: Path, alpaca: ScriptedAlpaca) -> Settings:
    """Settings whose exchange is the scripted one."""
    (folder / "state").mkdir(mode=0o700)
    settings = make_settings(folder, SYMBOLS="SPY")
    port = urlsplit(alpaca.url).port or 0
    endpoints = exchange_endpoints(port, "key", "secret")
    write_endpoints(settings.state.endpoints, exchange=endpoints, dashboard_url=None)
    return settings


def remember_a_bracket(settings: Settings, raw: dict[str, Any]) -> None:
    """Leave behind what a bot that sent this bracket had saved when it died."""
    store = StateStore(settings.state, CLOCK)
    seen = read_order(raw)
    intent = replace(
        order_from_seen(seen, OrderRole.ENTRY),
        position_key=seen.client_order_id,
        strategy="momentum",
    )
    memory = open_memory(settings, CLOCK, store, store.load(), (raw_account()["id"], EPOCH))
    memory.book((IntentRecorded((intent,), seen.created_at), OrderSeen(seen, seen.created_at)))
    memory.commit(now=True)


def test_bot_when_started_again_then_a_drifted_leg_of_its_own_is_no_foreign_order(
    tmp_path: Path, alpaca: ScriptedAlpaca
) -> None:
    """Legs have random client ids and stand alone after the fill: only the stored broker ids tell
    that a leg which cannot be read any more is ours, and must not be skipped as a stranger's.
    """
    bracket = raw_bracket()
    leg = raw_order(id=bracket["legs"][1]["id"], client_order_id="random", status="teleported")
    settings = settings_at(tmp_path, alpaca)
    remember_a_bracket(settings, bracket)
    waiting = Waiting(CLOCK, Notifier(None), threading.Event(), give_up_after_s=5)
    ignition = Ignition(settings, CLOCK, waiting, open_stream=None)
    lock = hold_lock(ignition)
    try:
        parts = start(ignition, lock)
        alpaca.on("GET", "/v2/orders", (200, [raw_order(id="x", client_order_id="y", status="?")]))
        assert parts.broker.orders("all") == ()

        alpaca.on("GET", "/v2/orders", (200, [leg]))

        with pytest.raises(SchemaDrift):
            parts.broker.orders("all")
        parts.books.close()
    finally:
        lock.release()


def test_bot_when_the_switch_against_short_sales_is_answered_by_nothing_then_it_starts(
    tmp_path: Path, alpaca: ScriptedAlpaca
) -> None:
    """A gateway's hollow 200 to a question of caution parks nobody with a contract's exit code."""
    alpaca.on("GET", "/v2/account/configurations", (200, {"no_shorting": False}))
    alpaca.on("PATCH", "/v2/account/configurations", (200, b""))
    settings = settings_at(tmp_path, alpaca)
    waiting = Waiting(CLOCK, Notifier(None), threading.Event(), give_up_after_s=5)
    stream = FakeStream()
    ignition = Ignition(settings, CLOCK, waiting, lambda _endpoints: stream)
    lock = hold_lock(ignition)
    try:
        start(ignition, lock).books.close()
    finally:
        lock.release()

    assert alpaca.count("PATCH") == 1


@pytest.mark.parametrize("is_on", [True, False])
def test_broker_when_opened_then_the_garbage_collector_is_left_as_it_was(
    tmp_path: Path, is_on: bool
) -> None:
    """It rests while the vendor's library is loaded, and never longer."""
    was_on = gc.isenabled()
    endpoints = exchange_endpoints(1, "key", "secret")
    try:
        (gc.enable if is_on else gc.disable)()

        open_broker(make_settings(tmp_path), endpoints, CLOCK).stop()

        assert gc.isenabled() is is_on
    finally:
        (gc.enable if was_on else gc.disable)()
        gc.unfreeze()


def test_bot_when_its_state_is_of_another_mode_then_the_guard_lets_no_entry_pass(
    tmp_path: Path,
) -> None:
    """Two locks on one door: the store sets such a state aside, and the guard denies besides."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    memory = house.parts.memory
    memory.state = replace(memory.state, mode="paper")

    house.turn()
    house.loop.finish()

    assert house.broker.submitted == []
    log = house.settings.logs.orders.read_text(encoding="utf-8")
    assert steps(house) == ["denied"]
    assert '"check":"mode"' in log
