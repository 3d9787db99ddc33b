"""Which market this is and which symbols it trades: prices of two markets never mix."""

from __future__ import annotations

from dataclasses import dataclass

from shared.config.endpoints import DEFAULT_SYMBOLS, Endpoints
from shared.config.settings import Settings
from shared.contracts.simulator import read_sim_status
from shared.errors import ConfigFault
from shared.models.mode import Mode
from shared.resilience.http_door import HttpDoor


@dataclass(frozen=True, slots=True)
class MarketIdentity:
    """A market's name, unique per simulated account, and the symbols to follow."""

    source: str
    symbols: tuple[str, ...]


def read_identity(settings: Settings, endpoints: Endpoints, door: HttpDoor) -> MarketIdentity:
    """Return the market behind the settings; asks the exchange only in sim.

    Raises SystemFault when the exchange cannot be asked.
    """
    if settings.trading_mode is not Mode.SIM:
        # Real prices are the same in paper and live; only the address could make them others.
        return MarketIdentity(endpoints.data_url, settings.symbols or DEFAULT_SYMBOLS)
    status = read_sim_status(door.get_json(f"{endpoints.trading_url}/sim/status"))
    wanted = settings.symbols or status.symbols
    symbols = tuple(symbol for symbol in wanted if symbol in frozenset(status.symbols))
    if not symbols:
        raise ConfigFault(f"none of SYMBOLS {', '.join(wanted)} trades at the simulated exchange")
    return MarketIdentity(f"sim {status.source} {status.account_id} {status.epoch}", symbols)
