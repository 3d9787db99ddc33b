"""Opening a market: the seeded one, or the replay of the files that the settings name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from services.exchange_sim.market.bar_file import Window, epoch_minute, minute_moment
from services.exchange_sim.market.bar_folder import ReplayFiles, read_replay_files
from services.exchange_sim.market.calendar import NyseCalendar, new_york_day
from services.exchange_sim.market.port import Market
from services.exchange_sim.market.rebased import RebasedMarket
from services.exchange_sim.market.replay import ReplayMarket
from services.exchange_sim.market.seeded import HISTORY_DAYS, SEEDED_BEGINS_AT, SeededMarket
from services.exchange_sim.market.seeded_path import DEFAULT_SYMBOLS, SeededPath
from services.exchange_sim.market.seeded_series import SeededDaysMarket, SeededSeries
from services.exchange_sim.market.series import Hours, Series, day_stamp
from services.exchange_sim.market.session_minutes import extended_minutes, regular_minutes
from shared.errors import ConfigFault

_WHOLE_FILE = Window(first=0, end=2**40)
_SEEDED_DAYS = timedelta(days=3_653)
"""Ten years: so long plays a seeded market that keeps the exchange's hours."""


class MarketHours(StrEnum):
    """When the seeded market trades."""

    ALWAYS = "always"
    EXCHANGE = "exchange"
    """In New York's sessions, with pre-market and after-hours, not at night and on holidays."""


@dataclass(frozen=True, slots=True)
class MarketRequest:
    """Which market: the SIM_ settings of CONTRACTS.md section 3 and SYMBOLS."""

    seed: int
    spread_bps: Decimal
    symbols: tuple[str, ...] = ()
    """Empty: the files' symbols in a replay, the default ones in the seeded market."""
    replay: Path | None = None
    """Folder or file of bars; None is the seeded market."""
    from_date: date | None = None
    """First New York day of the replay, None: the files' first."""
    to_date: date | None = None
    """Last New York day of the replay, None: the files' last."""
    history_days: int = HISTORY_DAYS
    """How long before its beginning the seeded market's past reaches back."""
    begins_at: datetime | None = None
    """First moment of a new account in the seeded market, None: the market's own fixed one."""
    hours: MarketHours = MarketHours.ALWAYS
    """When the seeded market trades; a replay trades when its files do."""


def _never(_identity: str) -> datetime | None:
    return None


def open_market(
    request: MarketRequest, begun_at: Callable[[str], datetime | None] = _never
) -> Market:
    """Open the requested market; raises ConfigFault with the mend when its files will not do.

    `begun_at` says when the account of a market of that identity began, None without one: there a
    seeded market begins again, whatever the request says of new accounts.
    """
    if request.replay is None and request.hours is MarketHours.EXCHANGE:
        return _open_seeded_days(request, begun_at)
    if request.replay is None:
        market = SeededMarket(request.seed, request.symbols, request.spread_bps)
        begun = begun_at(market.identity)
        market.begins_at = begun or request.begins_at or market.begins_at
        market.reach_back(request.history_days)
        return market
    return _open_replay(request, read_replay_files(request.replay, request.symbols))


def _open_seeded_days(request: MarketRequest, begun_at: Callable[[str], datetime | None]) -> Market:
    identity = f"seeded seed {request.seed} in the exchange's hours"
    begins_at = begun_at(identity) or request.begins_at or SEEDED_BEGINS_AT
    window = Window(epoch_minute(begins_at), epoch_minute(begins_at + _SEEDED_DAYS))
    first_day = new_york_day(begins_at - timedelta(days=request.history_days))
    series = [
        SeededSeries(SeededPath(request.seed, symbol), NyseCalendar(), window, first_day)
        for symbol in request.symbols or DEFAULT_SYMBOLS
    ]
    market = SeededDaysMarket(series, request.spread_bps, identity)
    market.begins_at = max(begins_at, market.begins_at)
    return market


def _open_replay(request: MarketRequest, files: ReplayFiles) -> Market:
    window = _window(request.from_date, request.to_date)
    calendar = NyseCalendar()
    hours = Hours(regular_minutes(calendar), extended_minutes(calendar))
    series = [Series(symbol, one, window, hours) for symbol, one in files.series.items()]
    playing = [one for one in series if one.plays]
    silent = [one.symbol for one in series if not one.plays]
    span = f"from {request.from_date or 'the first'} to {request.to_date or 'the last'} day"
    if not playing:
        raise ConfigFault(
            f"SIM_REPLAY: no bar {span} in the {len(series)} bar files of {files.origin}"
            f"{_dropped_text(series)}. Change SIM_FROM and SIM_TO, or the files."
        )
    if request.symbols and silent:
        raise ConfigFault(
            f"SYMBOLS: no bar of {', '.join(silent)} {span} in {files.origin}. "
            "Remove them from SYMBOLS, or change SIM_FROM and SIM_TO."
        )
    market = ReplayMarket(playing, request.spread_bps, _identity(request, playing))
    return RebasedMarket(market, files.splits)


def _window(from_date: date | None, to_date: date | None) -> Window:
    first = epoch_minute(day_stamp(from_date)) if from_date else _WHOLE_FILE.first
    end = epoch_minute(day_stamp(to_date + timedelta(days=1))) if to_date else _WHOLE_FILE.end
    return Window(first, end)


def _dropped_text(series: Sequence[Series]) -> str:
    reasons = sorted({reason for one in series for reason in one.dropped})
    count = sum(one.dropped.total() for one in series)
    return f" ({count} rows dropped: {', '.join(reasons)})" if count else ""


def _identity(request: MarketRequest, playing: Sequence[Series]) -> str:
    """Name the very prices: another file content or range is another market."""
    digest = hashlib.sha256()
    for one in playing:
        digest.update(f"{one.symbol}:{one.digest}:{one.bounds[0]}:{one.bounds[1]};".encode())
    first = minute_moment(min(one.bounds[0] for one in playing)).date()
    last = minute_moment(max(one.bounds[1] for one in playing)).date()
    return f"replay {first}..{last} seed {request.seed} files {digest.hexdigest()[:16]}"
