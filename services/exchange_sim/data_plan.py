"""What a market data subscription permits: the account's plan at Alpaca. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataPlan:
    """Limits of one plan; None is no limit. Source: Alpaca's documents on market data plans."""

    recent_sip: bool = True
    """Whether consolidated data of the last 15 minutes may be asked for and streamed."""
    stream_symbols_max: int | None = None
    """Different symbols that one stream connection may subscribe to."""
    stream_connections_max: int | None = None
    """Connections per feed and pair of keys; one more is answered with 406."""
    zombie_s: float = 0.0
    """Real seconds for which a connection that ended without a close still counts."""


PLANS = {
    "unlimited": DataPlan(),
    "basic": DataPlan(
        recent_sip=False, stream_symbols_max=30, stream_connections_max=1, zombie_s=90.0
    ),
    "algo-trader-plus": DataPlan(stream_connections_max=1, zombie_s=90.0),
}
"""By name; `unlimited` is no plan of Alpaca's but what a test wants."""
