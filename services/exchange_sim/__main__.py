"""`python -m services.exchange_sim`: under the supervisor, or alone for anybody's client.

Alone it accepts every non-empty pair of keys and keeps its books in a file of its own; under
the supervisor port and keys come from state/run/endpoints.json and settings rule the rest.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from services.exchange_sim.application import Admission
from services.exchange_sim.exchange import Exchange, Pace
from services.exchange_sim.faults.board import FaultBoard, board_path
from services.exchange_sim.faults.options import faults_asked
from services.exchange_sim.faults.reading import FaultRequest
from services.exchange_sim.greeting import greeting
from services.exchange_sim.http.gate import Keys
from services.exchange_sim.market.opening import MarketHours, MarketRequest, open_market
from services.exchange_sim.market.port import Market
from services.exchange_sim.market.seeded import HISTORY_DAYS
from services.exchange_sim.opening import beginning_in, open_books
from services.exchange_sim.plan_options import VendorPlans, add_plan_options, plans_asked
from services.exchange_sim.server import Service, Voice, listen_on
from services.exchange_sim.store import Store
from services.exchange_sim.switches import SWITCHES_VARIABLE, Switches, switched
from shared.clock import SystemClock, parse_utc
from shared.config.endpoints import load_endpoints
from shared.config.settings import Settings, load_settings
from shared.errors import ConfigFault, SystemFault
from shared.telemetry.logs import configure_logging, log_event
from shared.telemetry.notify import Notifier
from shared.telemetry.service import run_service

NAME = "exchange-sim"
BEAT_S_DEFAULT = 1.0
STANDALONE_PORT = 9000
PORT_MAX = 65_535
HISTORY_DAYS_MAX = 10_000
BEGINNING_YEARS = range(2000, 2100)
_SETTING_OF_OPTION = {
    "speed": "SIM_SPEED",
    "seed": "SIM_SEED",
    "replay": "SIM_REPLAY",
    "from": "SIM_FROM",
    "to": "SIM_TO",
    "cash": "SIM_CASH",
    "spread_bps": "SIM_SPREAD_BPS",
    "symbols": "SYMBOLS",
}
_HELP_OF_OPTION = {
    "speed": "market seconds per real second, at most 3600 (60 when unsaid); max is lock-step",
    "seed": "another seed is another market",
    "replay": "folder or file of bars to replay; without it the market is seeded",
    "from": "first day of the replay, as 2019-02-11",
    "to": "last day of the replay",
    "cash": "dollars of a new account (100000 when unsaid)",
    "spread_bps": "bid and ask around bars without quotes, in basis points",
    "symbols": "what trades, as AAPL,MSFT",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the exchange listens, who may come in, and where its books are."""

    host: str
    port: int
    database: Path
    keys: Keys
    market: MarketRequest
    switches: Switches = field(default_factory=Switches)
    faults: tuple[FaultRequest, ...] = ()
    plans: VendorPlans = field(default_factory=VendorPlans)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.exchange_sim",
        description="A local exchange that Alpaca clients work on, unchanged (url_override).",
        epilog="Settings also come from the environment and .env; options win over both.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="default 9000, or the supervisor's; 0 picks one")
    parser.add_argument(
        "--db", type=Path, help="file of the books (STATE_DIR/exchange_sim_standalone.db)"
    )
    parser.add_argument("--key-id", help="accept only this key id (with --secret-key)")
    parser.add_argument("--secret-key", help="accept only this secret")
    parser.add_argument(
        "--check", action="store_true", help="open the market, say what is wrong with it, and end"
    )
    parser.add_argument(
        "--partial-fills",
        type=float,
        default=0.0,
        metavar="CHANCE",
        help="chance from 0 to 1 that an order fills in parts",
    )
    parser.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a behaviour that nobody has verified at the real broker (switches.py)",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="begin with a fault: 'server_error lease_s=30 status=502 method=POST', or JSON",
    )
    _add_market_options(parser)
    add_plan_options(parser)
    for option, setting in _SETTING_OF_OPTION.items():
        name = f"--{option.replace('_', '-')}"
        parser.add_argument(name, help=f"{_HELP_OF_OPTION[option]}; as {setting}")
    return parser


def _add_market_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--history-days",
        type=int,
        default=HISTORY_DAYS,
        metavar="DAYS",
        help="how far back the seeded market's past reaches",
    )
    parser.add_argument(
        "--begin",
        type=_beginning,
        metavar="MOMENT",
        help="where a new account of the seeded market begins: now, or 2026-01-05T14:30:00Z",
    )
    parser.add_argument(
        "--hours",
        choices=[hours.value for hours in MarketHours],
        default=MarketHours.ALWAYS.value,
        help="when the seeded market trades: always, or in the exchange's hours",
    )


def _beginning(text: str) -> datetime:
    if text == "now":
        return SystemClock().utc_now()
    moment: datetime | None = None
    with suppress(ValueError):
        moment = parse_utc(text)
    if moment is None or moment.year not in BEGINNING_YEARS:
        raise argparse.ArgumentTypeError(f"{text!r}: write now, or 2026-01-05T14:30:00Z")
    return moment


def _check_options(arguments: argparse.Namespace) -> None:
    """Refuse options that no setting stands behind; raises ConfigFault."""
    if arguments.port is not None and not 0 <= arguments.port <= PORT_MAX:
        raise ConfigFault(f"--port {arguments.port}: is no port. Write 0 to {PORT_MAX}.")
    if not 0 <= arguments.partial_fills <= 1:
        raise ConfigFault(f"--partial-fills {arguments.partial_fills}: write a chance from 0 to 1.")
    if not 1 <= arguments.history_days <= HISTORY_DAYS_MAX:
        asked = arguments.history_days
        raise ConfigFault(f"--history-days {asked}: write days from 1 to {HISTORY_DAYS_MAX}.")
    if (arguments.key_id is None) is not (arguments.secret_key is None):
        raise ConfigFault("--key-id and --secret-key go together: give both, or neither.")
    if "" in (arguments.key_id, arguments.secret_key):
        raise ConfigFault("--key-id or --secret-key is empty: write a word, or leave both out.")


def _switches(arguments: argparse.Namespace) -> Switches:
    settings = (*os.environ.get(SWITCHES_VARIABLE, "").split(), *arguments.switch)
    try:
        return switched(Switches(partial_fill_rate=arguments.partial_fills), settings)
    except ValueError as error:
        raise ConfigFault(f"--switch or {SWITCHES_VARIABLE}: {error}") from None


def _settings(arguments: argparse.Namespace) -> Settings:
    overrides = {"TRADING_MODE": "sim"}
    for option, setting in _SETTING_OF_OPTION.items():
        value = getattr(arguments, option)
        if value is not None:
            overrides[setting] = value
    return load_settings(overrides=overrides)


def _place(arguments: argparse.Namespace, settings: Settings, *, supervised: bool) -> Place:
    if supervised:
        endpoints = load_endpoints(settings)
        address = urlsplit(endpoints.trading_url)
        return Place(
            host=address.hostname or arguments.host,
            port=address.port or STANDALONE_PORT,
            database=settings.state.exchange,
            keys=Keys(endpoints.key_id, endpoints.secret_key),
            market=_request(settings, arguments),
            switches=_switches(arguments),
            faults=faults_asked(arguments.fault, os.environ),
            plans=plans_asked(arguments),
        )
    port = STANDALONE_PORT if arguments.port is None else arguments.port
    own_file = settings.state_dir / "exchange_sim_standalone.db"
    return Place(
        host=arguments.host,
        port=port,
        database=arguments.db or own_file,
        keys=Keys(arguments.key_id, arguments.secret_key),
        market=_request(settings, arguments),
        switches=_switches(arguments),
        faults=faults_asked(arguments.fault, os.environ),
        plans=plans_asked(arguments),
    )


def _request(settings: Settings, arguments: argparse.Namespace) -> MarketRequest:
    sim = settings.sim
    return MarketRequest(
        seed=sim.seed,
        spread_bps=sim.spread_bps,
        symbols=settings.symbols,
        replay=sim.replay,
        from_date=sim.from_date,
        to_date=sim.to_date,
        history_days=arguments.history_days,
        begins_at=arguments.begin,
        hours=MarketHours(arguments.hours),
    )


def _market(place: Place, begun_at: Callable[[str], datetime | None]) -> Market:
    market = open_market(place.market, begun_at)
    logger = logging.getLogger(NAME)
    for row in market.dropped_samples:
        facts = {"file": row.file, "line": row.line, "row": row.row}
        log_event(logger, "row_dropped", f"dropped: {row.reason}", level=logging.WARNING, **facts)
    return market


def _serve(settings: Settings, place: Place, stop: threading.Event, *, supervised: bool) -> None:
    listener = listen_on(place.host, place.port)
    host, port = listener.getsockname()[:2]
    store = Store(place.database)
    board = FaultBoard(board_path(place.database), SystemClock())
    # A supervisor starts a dead exchange again with the same words: the lease is not renewed.
    board.switch_on_asked(place.faults, renew=not supervised)
    seed, cash = settings.sim.seed, settings.sim.cash
    market = _market(place, beginning_in(store, seed, cash))
    books = open_books(store, market, seed, cash)
    pace = Pace(settings.sim.speed, place.switches)
    exchange = Exchange(market, store, books, pace)
    beat_s = float(os.environ.get("SHT_BEAT_S") or BEAT_S_DEFAULT)
    voice = Voice(Notifier.from_environment(), beat_s, SystemClock())
    facts = f"{market.source} market of {len(market.symbols)} symbols"
    log_event(logging.getLogger(NAME), "serving", f"serving a {facts}", port=port)
    if not supervised:
        sys.stdout.write(greeting(f"{host}:{port}", facts, place.keys, place.database))
        sys.stdout.flush()
    admission = Admission(place.keys, rate_limit=settings.sim.rate_limit, plans=place.plans)
    Service(exchange, admission, voice, board).run(listener, stop)


def main(options: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the exchange and return its exit code."""
    arguments = _parser().parse_args(options)
    supervised = bool(environ.get("SHT_SERVICE") or environ.get("NOTIFY_SOCKET"))
    try:
        _check_options(arguments)
        settings = _settings(arguments)
        if arguments.check:
            open_market(_request(settings, arguments))
            return 0
        place = _place(arguments, settings, supervised=supervised)
    except SystemFault as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    secrets = (place.keys.secret_key, place.plans.whales_token)
    hidden = (*settings.secret_values(), *(secret for secret in secrets if secret))
    configure_logging(NAME, settings.log_dir, hidden, to_stderr=not supervised)

    def serve(stop: threading.Event) -> None:
        _serve(settings, place, stop, supervised=supervised)

    return run_service(NAME, settings.log_dir, serve)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
