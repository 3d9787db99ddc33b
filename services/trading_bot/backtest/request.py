"""What is asked for on the command line, judged before anything starts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from services.trading_bot.backtest.bars import bar_files
from shared.config.settings import Settings, load_settings
from shared.errors import ConfigFault

_FOREIGN = ("APCA_", "ALPACA_", "UW_", "CHAOS_", "DASHBOARD_", "TELEGRAM_", "SIM_", "SHT_BEAT")
_FOREIGN_NAMES = frozenset(
    ("ALERT_URLS", "HEARTBEAT_PING_URL", "SECONDS_TO_RUN", "STATE_DIR", "LOG_DIR", "NOTIFY_SOCKET")
)
"""What belongs to the system that really trades, and to nobody's past."""


@dataclass(frozen=True, slots=True)
class Request:
    """One backtest, with everything that its result depends on."""

    bars: Path
    files: tuple[Path, ...]
    first: date
    last: date
    settings: Settings
    environment: Mapping[str, str]
    """Of the processes that will trade."""
    out: Path
    keep: Path | None
    """Where state/ and logs/ of the run stay; None: they are thrown away."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m services.trading_bot.backtest",
        description="Replays days of bars through the very same bot and exchange, and judges them.",
        epilog="Limits and strategies come from the environment and .env, as they would for run.",
    )
    made.add_argument("--bars", required=True, metavar="DIR", help="folder or file of minute bars")
    made.add_argument("--from", required=True, dest="first", metavar="DAY", help="as 2019-02-11")
    made.add_argument("--to", required=True, dest="last", metavar="DAY", help="the last day")
    made.add_argument("--symbols", default="", help="comma-separated; those of the files")
    made.add_argument("--strategies", default="", help="comma-separated; STRATEGIES, else all")
    made.add_argument("--cash", help="dollars to begin with (100000)")
    made.add_argument("--seed", help="seed of the simulated exchange (1)")
    made.add_argument("--spread-bps", help="bid to ask around bars without quotes (2)")
    made.add_argument(
        "--out", default="build/backtest", metavar="DIR", help="where the result goes"
    )
    made.add_argument("--keep", metavar="DIR", help="keep state/ and logs/ of the run there")
    return made


def request_of(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Request:
    """Return the request; raises ConfigFault (78) for what cannot be run."""
    first, last = _day("--from", arguments.first), _day("--to", arguments.last)
    if last < first:
        raise ConfigFault(f"--to {last}: lies before --from {first}. Exchange them.")
    bars = Path(arguments.bars).absolute()
    files = bar_files(bars, [name for name in arguments.symbols.upper().split(",") if name])
    keep = Path(arguments.keep).absolute() if arguments.keep is not None else None
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ConfigFault(f"--keep {keep}: is not empty. Name a folder of its own.")
    environment = _environment(arguments, environ, bars)
    settings = load_settings(environment)
    return Request(
        bars=bars,
        files=files,
        first=first,
        last=last,
        settings=settings,
        environment=environment,
        out=Path(arguments.out).absolute(),
        keep=keep,
    )


def _environment(
    arguments: argparse.Namespace, environ: Mapping[str, str], bars: Path
) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _FOREIGN_NAMES and not name.startswith(_FOREIGN)
    }
    said = {
        "TRADING_MODE": "sim",
        "SIM_SPEED": "max",
        "SIM_REPLAY": str(bars),
        "SIM_FROM": arguments.first,
        "SIM_TO": arguments.last,
        "SIM_CASH": arguments.cash,
        "SIM_SEED": arguments.seed,
        "SIM_SPREAD_BPS": arguments.spread_bps,
        "SYMBOLS": arguments.symbols.upper() or None,
        "STRATEGIES": arguments.strategies or None,
    }
    return kept | {name: value for name, value in said.items() if value is not None}


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigFault(f"{option} {text}: is no day. Write it as 2019-02-11.") from None
