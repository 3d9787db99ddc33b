"""Wires the doors to the account of the settings: broker, market clock, streams, market data.

alpaca-py is imported only when the broker itself is opened: it costs 0.4 s and 50 MiB.
"""

from __future__ import annotations

import gc
import logging
import zlib
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
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from shared.telemetry.logs import log_event
from shared.vendors.alpaca_stream import TradeStream
from shared.vendors.broker_clock import REAL_PACE, BrokerMarketClock, simulated_pace
from shared.vendors.lockstep_clock import LockStepMarketClock
from shared.vendors.websocket_link import BACKOFF_MAX_S, SIMULATED_PAUSE_S_MAX

if TYPE_CHECKING:
    from shared.vendors.alpaca_broker import AlpacaBroker

ORDER_RULES = DoorRules(total_s=10.0, reads_per_minute=150)
"""For the account and its orders: patient, since a write given up is an unknown one."""
DATA_RULES = DoorRules(silence_s=3.0, total_s=5.0, reads_per_minute=150)
"""For clock and market data, which are simply asked again."""
log = logging.getLogger("door")


def _log_breaker(name: str, old: str, new: str) -> None:
    log_event(log, "breaker", f"breaker {name}: {old} → {new}", breaker=name, state=new)


def open_adapter(
    settings: Settings, name: str, clock: Clock, rules: DoorRules = ORDER_RULES
) -> DoorAdapter:
    """Return an adapter with a breaker and the mode's ceiling; none where limits are off."""
    if settings.trading_mode is Mode.SIM and not settings.sim.rate_limit:
        rules = replace(rules, reads_per_minute=None)
    breaker = CallBreaker(name, clock, _log_breaker)
    return DoorAdapter(rules, clock, breaker, seed=zlib.crc32(name.encode()))


def open_door(settings: Settings, endpoints: Endpoints, name: str, clock: Clock) -> HttpDoor:
    """Return a door of our own to the account's REST interfaces; it carries the keys."""
    keys = {
        "APCA-API-KEY-ID": endpoints.key_id,
        "APCA-API-SECRET-KEY": endpoints.secret_key,
    }
    return HttpDoor(open_adapter(settings, name, clock, DATA_RULES), keys)


def open_broker(settings: Settings, endpoints: Endpoints, clock: Clock) -> AlpacaBroker:
    """Return the broker of the mode. Connects to nothing yet."""
    from shared.persistence.emergency_stop import EmergencyStopFile

    with _collector_paused():
        from shared.vendors.alpaca_broker import AlpacaBroker, trading_client

    client = trading_client(endpoints.trading_url, endpoints.key_id, endpoints.secret_key)
    stop_file = EmergencyStopFile(settings.state.emergency_stop)
    return AlpacaBroker(client, open_adapter(settings, "broker", clock), clock, stop_file.is_set)


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


def open_market_clock(
    settings: Settings, endpoints: Endpoints, participant: str, clock: Clock
) -> MarketClock:
    """Return the market clock of the mode for a participant (the service's name)."""
    door = open_door(settings, endpoints, f"clock-{participant}", clock)
    base_url = endpoints.trading_url
    if settings.is_lock_step:
        return LockStepMarketClock(door, base_url, participant, clock)

    def look() -> ClockReading:
        return read_clock(door.get_json(f"{base_url}/v2/clock"))

    speed = settings.sim.speed if settings.trading_mode is Mode.SIM else None
    pace = REAL_PACE if speed is None else simulated_pace(speed)
    return BrokerMarketClock(look, pace, clock)


def open_trade_stream(
    settings: Settings, endpoints: Endpoints, clock: Clock | None = None
) -> TradeStream:
    """Return the trade_updates stream, not yet started."""
    keys = (endpoints.key_id, endpoints.secret_key)
    pause_s = reconnect_pause_s(settings)
    return TradeStream(endpoints.trading_stream_url, keys, clock or SystemClock(), pause_s)


def reconnect_pause_s(settings: Settings) -> float:
    """Return the longest pause between two tries of a stream in the mode of the settings."""
    return SIMULATED_PAUSE_S_MAX if settings.trading_mode is Mode.SIM else BACKOFF_MAX_S
