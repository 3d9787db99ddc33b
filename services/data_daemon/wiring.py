"""The parts of data-daemon, put together for the mode of the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.data_daemon.feeds.alpaca_stream_feed import AlpacaStreamFeed
from services.data_daemon.feeds.option_flow import MarketView, OptionFlow, note_drop
from services.data_daemon.identity import MarketIdentity, read_identity
from shared.clock import Clock
from shared.config.endpoints import Endpoints
from shared.config.settings import Settings
from shared.errors import TransientFault
from shared.models.mode import Mode
from shared.persistence.market_writer import MarketStoreWriter
from shared.ports import FeedSink, MarketClock
from shared.resilience.alongside import Alongside
from shared.resilience.http_door import DoorHost, DoorRules, HttpDoor
from shared.vendors.alpaca_calendar import TradingCalendar
from shared.vendors.alpaca_market_data import MarketDataRest
from shared.vendors.connect import (
    open_adapter,
    open_door,
    open_market_clock,
    stream_pace,
)
from shared.vendors.unusual_whales import UnusualWhales

SERVICE = "data-daemon"
FREE_FEED = "iex"
"""The feed that every account may read; the simulated exchange has but one."""
FLOW_RULES = DoorRules(silence_s=5.0, total_s=10.0, attempts=2, reads_per_minute=100, holds=False)
"""Below the vendor's smallest tier of 120 a minute; few tries, for each one counts."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loops work with."""

    clock: Clock
    market_clock: MarketClock
    alongside: Alongside
    """What comes with a lock-step minute beside the minute itself."""
    rest: MarketDataRest
    calendar: TradingCalendar
    store: MarketStoreWriter
    speed: float
    """Market seconds per real second; 1 outside the simulation."""
    reads_per_minute: int | None
    """Ceiling of market data reads; None where nobody counts."""
    read_identity: Callable[[], MarketIdentity]
    """Raises SystemFault."""
    open_feed: Callable[[Callable[[], float | None]], AlpacaStreamFeed]
    """Takes what says how soon data is due; the feed is not yet started."""
    open_flow: Callable[[Callable[[], MarketView | None], FeedSink], OptionFlow | None]
    """Takes what says how the market is; None where the flow feed is off. Not yet started."""


def wire(
    settings: Settings, endpoints: Endpoints, clock: Clock, host: DoorHost | None = None
) -> Parts:
    """Return the parts for the settings; the doors stop with the host and tell it of long waits.
    Raises TransientFault when market.db cannot be opened; connects to nothing.
    """
    is_sim = settings.trading_mode is Mode.SIM
    host = host or DoorHost()
    door = open_door(settings, endpoints, "market-data", clock, host)
    keys = (endpoints.key_id, endpoints.secret_key)
    try:
        settings.state.root.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise TransientFault(f"the state folder cannot be made: {failure.strerror}") from failure
    return Parts(
        clock=clock,
        market_clock=open_market_clock(settings, endpoints, SERVICE, clock, host),
        alongside=host.alongside,
        rest=MarketDataRest(door, endpoints.data_url, None if is_sim else FREE_FEED),
        calendar=TradingCalendar(door, endpoints.trading_url),
        store=MarketStoreWriter(settings.state.market, clock),
        speed=(settings.sim.speed or 1.0) if is_sim else 1.0,
        reads_per_minute=door.adapter.rules.reads_per_minute,
        read_identity=lambda: read_identity(settings, endpoints, door),
        open_feed=lambda due: AlpacaStreamFeed(
            endpoints.data_stream_url, keys, clock, due, stream_pace(settings)
        ),
        open_flow=lambda view, sink: _flow_feed(
            _flow_door(settings, endpoints, clock, host), endpoints.flow_url, clock, view, sink
        ),
    )


def _flow_door(
    settings: Settings, endpoints: Endpoints, clock: Clock, host: DoorHost | None
) -> HttpDoor | None:
    if endpoints.flow_url is None or endpoints.flow_token is None:
        return None
    headers = {"Authorization": f"Bearer {endpoints.flow_token}", "Accept": "application/json"}
    return HttpDoor(open_adapter(settings, "unusual-whales", clock, FLOW_RULES, host), headers)


def _flow_feed(
    door: HttpDoor | None,
    url: str | None,
    clock: Clock,
    view: Callable[[], MarketView | None],
    sink: FeedSink,
) -> OptionFlow | None:
    if door is None or url is None:
        return None
    return OptionFlow(UnusualWhales(door, url, note_drop(sink)), clock, view, sink)
