"""Which market this is and which symbols it trades: prices of two markets never mix."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from services.data_daemon.sink import StoreSink
from shared.config.endpoints import DEFAULT_SYMBOLS, Endpoints
from shared.config.settings import Settings
from shared.contracts.simulator import read_sim_status
from shared.errors import ConfigFault
from shared.models.mode import Mode
from shared.resilience.http_door import HttpDoor
from shared.telemetry.logs import log_event

log = logging.getLogger("data-daemon")


@dataclass(frozen=True, slots=True)
class MarketIdentity:
    """A market's name, unique per simulated account, and the symbols to follow."""

    source: str
    symbols: tuple[str, ...]
    absent: tuple[str, ...] = ()
    """Symbols of the settings that this market does not have."""


def read_identity(settings: Settings, endpoints: Endpoints, door: HttpDoor) -> MarketIdentity:
    """Return the market behind the settings; asks the exchange only in sim.

    Raises SystemFault when the exchange cannot be asked.
    """
    if settings.trading_mode is not Mode.SIM:
        # Real prices are the same in paper and live; only the address could make them others.
        return MarketIdentity(endpoints.data_url, settings.symbols or DEFAULT_SYMBOLS)
    status = read_sim_status(door.get_json(f"{endpoints.trading_url}/sim/status"))
    wanted = settings.symbols or status.symbols
    known = frozenset(status.symbols)
    symbols = tuple(symbol for symbol in wanted if symbol in known)
    absent = tuple(symbol for symbol in wanted if symbol not in known)
    if not symbols:
        raise ConfigFault(f"none of SYMBOLS {', '.join(wanted)} trades at the simulated exchange")
    source = f"sim {status.source} {status.account_id} {status.epoch}"
    return MarketIdentity(source, symbols, absent)


def absent_symbols(
    identity: MarketIdentity, without_bars: tuple[str, ...], sink: StoreSink
) -> tuple[str, ...]:
    """Return the symbols that were asked for and never come; said in the log when they change."""
    absent = (*identity.absent, *without_bars)
    if sink.is_news("absent", absent):
        words = "every symbol of SYMBOLS has prices"
        if absent:
            words = f"the exchange has no {', '.join(absent)}: no price of theirs will come"
        level = logging.WARNING if absent else logging.INFO
        log_event(log, "symbols_absent", words, level=level, symbols=list(absent))
    return absent
