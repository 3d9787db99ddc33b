"""Wires the doors to the account of the settings: broker, market clock, streams, market data.

alpaca-py is imported only when the broker itself is opened: it costs 0.4 s and 50 MiB.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.clock import Clock, SystemClock
from shared.config.endpoints import Endpoints
from shared.config.settings import Settings
from shared.contracts.alpaca import read_clock
from shared.models.broker import ClockReading
from shared.models.mode import Mode
from shared.ports import MarketClock
from shared.resilience.breaker import CallBreaker
from shared.resilience.door_rules import DoorHost
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from shared.resilience.lanes import Lane
from shared.vendors.alpaca_stream import TradeStream
from shared.vendors.broker_clock import REAL_PACE, BrokerMarketClock, ClockPace, simulated_pace
from shared.vendors.door_log import DoorLog, log_breaker
from shared.vendors.lockstep_clock import LockStepMarketClock
from shared.vendors.shares import (
    ENTRIES,
    LEFT_BY_BOT,
    LEFT_BY_OTHERS,
    MARKET_DATA,
    SAFETY,
    trading_shares,
)
from shared.vendors.websocket_link import PATIENT, SIMULATED_PAUSE_S_MAX, LinkPace

if TYPE_CHECKING:
    from shared.vendors.alpaca_broker import AlpacaBroker

ORDER_RULES = DoorRules(
    total_s=10.0,
    entries_per_minute=ENTRIES,
    safety_per_minute=SAFETY,
    left_to_others=LEFT_BY_BOT,
    pace_s_max=1.5,
)
"""For the account and its orders: patient, since a write given up is an unknown one."""
DATA_RULES = DoorRules(silence_s=3.0, total_s=5.0, reads_per_minute=MARKET_DATA)
"""For clock and market data, which are simply asked again."""
BOT = "trading-bot"


def open_adapter(
    settings: Settings, name: str, clock: Clock, rules: DoorRules, host: DoorHost | None = None
) -> DoorAdapter:
    """Return an adapter with its breakers and the mode's ceilings; none where limits are off."""
    if settings.trading_mode is Mode.SIM and not settings.sim.rate_limit:
        rules = replace(rules, reads_per_minute=None)
    names = {Lane.READ: name, Lane.ENTRY: f"{name}-entries", Lane.SAFETY: f"{name}-safety"}
    breakers = {lane: CallBreaker(word, clock, log_breaker) for lane, word in names.items()}
    told = replace(host or DoorHost(), on_failed=DoorLog(name, clock).failed)
    adapter = DoorAdapter(rules, clock, breakers, name, told)
    told.standings[name] = adapter.standing
    return adapter


def open_door(
    settings: Settings,
    endpoints: Endpoints,
    name: str,
    clock: Clock,
    host: DoorHost | None = None,
) -> HttpDoor:
    """Return a door of our own to the account's market data; it carries the keys."""
    return _keyed(endpoints, open_adapter(settings, name, clock, DATA_RULES, host))


def _keyed(endpoints: Endpoints, adapter: DoorAdapter) -> HttpDoor:
    keys = {
        "APCA-API-KEY-ID": endpoints.key_id,
        "APCA-API-SECRET-KEY": endpoints.secret_key,
    }
    return HttpDoor(adapter, keys)


def open_broker(
    settings: Settings, endpoints: Endpoints, clock: Clock, host: DoorHost | None = None
) -> AlpacaBroker:
    """Return the broker of the mode. Connects to nothing yet."""
    from shared.persistence.emergency_stop import EmergencyStopFile

    with _collector_paused():
        from shared.vendors.alpaca_broker import AlpacaBroker, trading_client

    client = trading_client(endpoints.trading_url, endpoints.key_id, endpoints.secret_key)
    stop_file = EmergencyStopFile(settings.state.emergency_stop)
    share = trading_shares(_pace(settings).look_every_s).bot_reads
    rules = replace(ORDER_RULES, reads_per_minute=share)
    adapter = open_adapter(settings, "broker", clock, rules, host)
    return AlpacaBroker(client, adapter, clock, stop_file.is_set)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Import something large. Its objects stay for good, so that searching them for garbage again
    and again while they come, and ever after, is time lost on the way back from a death.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _pace(settings: Settings) -> ClockPace:
    speed = settings.sim.speed if settings.trading_mode is Mode.SIM else None
    return REAL_PACE if speed is None else simulated_pace(speed)


def open_market_clock(
    settings: Settings,
    endpoints: Endpoints,
    participant: str,
    clock: Clock,
    host: DoorHost | None = None,
) -> MarketClock:
    """Return the market clock of the mode for a participant (the service's name)."""
    pace = _pace(settings)
    rules = replace(
        DATA_RULES,
        reads_per_minute=trading_shares(pace.look_every_s).clock,
        left_to_others=LEFT_BY_BOT if participant == BOT else LEFT_BY_OTHERS,
    )
    adapter = open_adapter(settings, f"clock-{participant}", clock, rules, host)
    door = _keyed(endpoints, adapter)
    base_url = endpoints.trading_url
    if settings.is_lock_step:
        alongside = host.alongside if host is not None else None
        return LockStepMarketClock(door, base_url, participant, clock, alongside)

    def look() -> ClockReading:
        return read_clock(door.get_json(f"{base_url}/v2/clock"))

    return BrokerMarketClock(look, pace, clock)


def open_trade_stream(
    settings: Settings, endpoints: Endpoints, clock: Clock | None = None
) -> TradeStream:
    """Return the trade_updates stream, not yet started."""
    keys = (endpoints.key_id, endpoints.secret_key)
    clock = clock or SystemClock()
    return TradeStream(endpoints.trading_stream_url, keys, clock, stream_pace(settings))


def stream_pace(settings: Settings) -> LinkPace:
    """Return how patient a stream is in the mode of the settings."""
    is_sim = settings.trading_mode is Mode.SIM
    return LinkPace(SIMULATED_PAUSE_S_MAX) if is_sim else PATIENT
