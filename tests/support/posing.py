"""An exchange-sim of its own that poses as the broker of a real mode, by address overrides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.exchange_process import ExchangeProcess

SECRET = "posing-secret-0123456789"
WHALES_TOKEN = "posing-token-0123456789"
KEY_IDS = {
    "paper": "PKPOSING000000000001",
    "live_limited": "AKPOSING000000000001",
    "live": "AKPOSING000000000001",
}
MANY = tuple(f"Q{first}{last}" for first in "ABCDEFGH" for last in "ABCDEFG")
"""So many symbols that at almost any minute one of them breaks out."""


@contextmanager
def posing_exchange(
    folder: Path, *options: str, symbols: tuple[str, ...] = ("SPY",)
) -> Iterator[ExchangeProcess]:
    """Run an exchange whose clock is the real one, at real speed, always open."""
    folder.mkdir(parents=True, exist_ok=True)
    now = ("--speed", "1", "--begin", "now", "--db", str(folder / "books.db"))
    plans = ("--symbols", ",".join(symbols), "--whales-token", WHALES_TOKEN)
    with ExchangeProcess(folder, *now, *plans, *options) as exchange:
        yield exchange


def settings_of(mode: str, exchange: ExchangeProcess, **more: str) -> dict[str, str]:
    """Return the settings of a mode whose every address is the exchange's."""
    stream = exchange.url.replace("http://", "ws://")
    return {
        "TRADING_MODE": mode,
        "APCA_API_KEY_ID": KEY_IDS[mode],
        "APCA_API_SECRET_KEY": SECRET,
        "ALPACA_TRADING_URL": exchange.url,
        "ALPACA_DATA_URL": exchange.url,
        "ALPACA_STREAM_URL": f"{stream}/stream",
        "ALPACA_DATA_STREAM_URL": f"{stream}/v2/iex",
        "UW_API_TOKEN": WHALES_TOKEN,
        "UW_URL": exchange.url,
        "DASHBOARD_PORT": "0",
        "SYMBOLS": "SPY",
        "SECONDS_TO_RUN": "300",
    } | more


def confirmation(mode: str) -> tuple[str, ...]:
    """Return what the command line must say for the mode."""
    return () if mode == "paper" else ("--confirm",)


def strangers_talked_to(pid: int) -> set[str]:
    """Return the addresses beyond this machine to which the process tree is connected."""
    tree = psutil.Process(pid)
    found: set[str] = set()
    for process in (tree, *tree.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # a one-shot may just have ended
            found |= {one.raddr.ip for one in process.net_connections("inet") if one.raddr}
    return {address for address in found if not address.startswith("127.")}
