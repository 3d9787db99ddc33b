"""What the product asks of its vendors, one question each: ask raw, read by the contract.

Three areas, by whom a broken answer concerns: `trading` (the trading-bot), `data` (data-daemon),
`feeds` (the price stream and Unusual Whales, beside which the system goes on).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from shared.clock import Clock, utc_text
from shared.config.endpoints import DEFAULT_SYMBOLS, Endpoints
from shared.config.settings import Settings
from shared.contracts.alpaca import (
    read_account,
    read_asset,
    read_clock,
    read_no_shorting,
    read_positions,
)
from shared.contracts.alpaca_history import read_portfolio_history
from shared.contracts.alpaca_market import read_bars, read_latest_quotes
from shared.contracts.alpaca_movements import read_movements
from shared.contracts.alpaca_orders import read_fills, read_orders
from shared.contracts.drift import SchemaDrift
from shared.contracts.simulator import read_sim_status
from shared.contracts.unusual_whales import read_alerts, read_prints, read_tide
from shared.errors import SystemFault, TransientFault
from shared.models.mode import Mode
from shared.resilience.http_door import DoorRules, HttpDoor
from shared.risk.checks_entry import CLOCK_SKEW_S_MAX
from shared.vendors.compatibility_streams import hears_prices, hears_trades
from shared.vendors.connect import open_adapter, open_door

HISTORY = timedelta(days=7)
ROWS = "50"
FREE_FEED = "iex"
WHALE_RULES = DoorRules(total_s=8.0, attempts=2, reads_per_minute=10)
"""Three questions, and a token counts every one."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask. `read` gets what `ask` returned; both raise SystemFault. What `read`
    returns is a remark for people, empty when there is nothing to remark.
    """

    name: str
    ask: Callable[[], object]
    read: Callable[[object], str] | None = None
    """None: the question has no reply whose shape could be recorded."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and where."""

    settings: Settings
    endpoints: Endpoints
    clock: Clock
    door: HttpDoor

    @classmethod
    def of(cls, settings: Settings, endpoints: Endpoints, clock: Clock) -> Asking:
        """Return the one who asks for the account of the settings."""
        return cls(settings, endpoints, clock, open_door(settings, endpoints, "check", clock))

    @property
    def is_sim(self) -> bool:
        """Whether the embedded exchange is asked."""
        return self.settings.trading_mode is Mode.SIM

    def account_question(
        self, name: str, path: str, read: Callable[[object], str], **query: str
    ) -> Question:
        """Return a question to the trading interface."""
        url = f"{self.endpoints.trading_url}/v2/{path}"
        return Question(name, lambda: self.door.get_json(url, query), read)

    def data_question(
        self, name: str, path: str, read: Callable[[object], str], **query: str
    ) -> Question:
        """Return a question to the market data interface."""
        url = f"{self.endpoints.data_url}/v2/stocks/{path}"
        feed = {} if self.is_sim else {"feed": FREE_FEED}
        return Question(name, lambda: self.door.get_json(url, query | feed), read)

    def now(self) -> datetime:
        """Return the broker's time; ours when it does not say."""
        try:
            return read_clock(self.door.get_json(f"{self.endpoints.trading_url}/v2/clock")).now
        except SystemFault:
            return self.clock.utc_now()

    def symbol(self) -> str:
        """Return a symbol that we would trade."""
        known = self.settings.symbols
        if self.is_sim and not known:
            try:
                url = f"{self.endpoints.trading_url}/sim/status"
                known = read_sim_status(self.door.get_json(url)).symbols
            except SystemFault:
                known = ()
        return (known or DEFAULT_SYMBOLS)[0]


def trading_questions(asking: Asking) -> Iterator[Question]:
    """Yield what decides whether orders may be sent."""
    since, symbol = utc_text(asking.now() - HISTORY), asking.symbol()
    page = {"after": since, "direction": "asc", "page_size": ROWS}
    ask = asking.account_question
    yield ask("account", "account", _account)
    yield ask("configurations", "account/configurations", _configurations)
    yield ask("clock", "clock", lambda raw: _clock(raw, asking))
    yield ask("positions", "positions", _whole(read_positions))
    yield ask("orders", "orders", _orders, status="all", limit=ROWS, nested="true")
    yield ask("fills", "account/activities/FILL", _whole(read_fills), **page)
    yield ask(
        "movements",
        "account/activities",
        _whole(read_movements),
        **page,
        category="non_trade_activity",
    )
    year = {"period": "1A", "timeframe": "1D"}
    history = _whole(read_portfolio_history)
    yield ask("portfolio history", "account/portfolio/history", history, **year)
    yield ask("asset", f"assets/{symbol}", _whole(read_asset))
    settings, endpoints, clock = asking.settings, asking.endpoints, asking.clock
    yield Question("trade updates", lambda: hears_trades(settings, endpoints, clock))


def data_questions(asking: Asking) -> Iterator[Question]:
    """Yield what prices and bars rest on."""
    now, symbol = asking.now(), asking.symbol()
    span = {"start": utc_text(now - HISTORY), "end": utc_text(now)}
    ask = asking.data_question
    yield ask("bars", "bars", _bars, symbols=symbol, timeframe="1Day", limit=ROWS, **span)
    yield ask("quotes", "quotes/latest", _quotes, symbols=symbol)


def feed_questions(asking: Asking) -> Iterator[Question]:
    """Yield the feeds that are not vital: polling stands in for the one, nothing for the other."""
    yield from _whale_questions(asking)
    # Last: by now data-daemon holds the one connection that a plan may allow.
    endpoints, clock, symbol = asking.endpoints, asking.clock, asking.symbol()
    yield Question("price stream", lambda: hears_prices(endpoints, clock, symbol))


def _whale_questions(asking: Asking) -> Iterator[Question]:
    endpoints = asking.endpoints
    if endpoints.flow_url is None or endpoints.flow_token is None:
        return
    headers = {"Authorization": f"Bearer {endpoints.flow_token}", "Accept": "application/json"}
    adapter = open_adapter(asking.settings, "check-whales", asking.clock, WHALE_RULES)
    door, base = HttpDoor(adapter, headers), f"{endpoints.flow_url}/api"
    for name, path, read in (
        ("flow alerts", "option-trades/flow-alerts", _rows(read_alerts)),
        ("dark pool prints", "darkpool/recent", _rows(read_prints)),
    ):
        url = f"{base}/{path}"
        yield Question(name, partial(door.get_json, url, {"limit": ROWS}), read)
    tide = f"{base}/market/market-tide"
    yield Question("market tide", partial(door.get_json, tide), _rows(read_tide))


AREAS: dict[str, Callable[[Asking], Iterator[Question]]] = {
    "trading": trading_questions,
    "data": data_questions,
    "feeds": feed_questions,
}
"""By name, in the order in which they are asked."""


def _whole(read: Callable[[object], object]) -> Callable[[object], str]:
    def judge(raw: object) -> str:
        read(raw)
        return ""

    return judge


def _account(raw: object) -> str:
    account = read_account(raw)
    return "" if account.may_trade else f"the account may not trade (status {account.status})"


def _configurations(raw: object) -> str:
    return "" if read_no_shorting(raw) else "no_shorting is off; the bot switches it on"


def _clock(raw: object, asking: Asking) -> str:
    skew_s = (asking.clock.utc_now() - read_clock(raw).now).total_seconds()
    if not asking.is_sim and abs(skew_s) > CLOCK_SKEW_S_MAX:
        raise TransientFault(
            f"this machine's clock is {skew_s:+.1f} s off the broker's, so every entry would be "
            "denied: let NTP set it"
        )
    return ""


def _orders(raw: object) -> str:
    return _dropped("orders that are not ours", read_orders(raw).skipped)


def _bars(raw: object) -> str:
    page = read_bars(raw)
    if page.dropped and not page.candles:
        raise page.dropped[0]
    return _dropped("bars", page.dropped)


def _quotes(raw: object) -> str:
    found = read_latest_quotes(raw)
    if found.dropped and not found.quotes:
        raise found.dropped[0]
    return _dropped("quotes", found.dropped)


def _rows(read: Callable[[object], object]) -> Callable[[object], str]:
    def judge(raw: object) -> str:
        return _dropped("rows", getattr(read(raw), "dropped", ()))

    return judge


def _dropped(what: str, drifts: tuple[SchemaDrift, ...]) -> str:
    return f"{len(drifts)} {what} cannot be read, the first: {drifts[0]}" if drifts else ""
