"""Finding the files of a replay."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.exchange_sim.market.bar_file import HEADER
from services.exchange_sim.market.quote_file import QUOTE_HEADER
from services.exchange_sim.market.row_file import RowFile
from services.exchange_sim.market.series import SeriesFiles
from services.exchange_sim.splits import FileSplit, read_splits
from shared.errors import ConfigFault

MINUTE_SUFFIX = "_1min.csv"
DAY_SUFFIX = "_1day.csv"
QUOTE_SUFFIX = "_1min_quote.csv"
SPLITS_FILE = "splits.csv"
QUOTE_FOLDER, EXTENDED_FOLDER = "quotes", "extended"
SPLITS_BYTES_MAX = 16 * 1024 * 1024
_SYMBOL = re.compile(r"^[A-Z][A-Z0-9.]{0,11}$")


@dataclass(frozen=True, slots=True)
class ReplayFiles:
    """The files of a replay."""

    origin: Path
    series: dict[str, SeriesFiles]
    """By symbol, sorted."""
    splits: tuple[FileSplit, ...] = ()


def read_replay_files(path: Path, symbols: Sequence[str] = ()) -> ReplayFiles:
    """Read the bar files under `path`, a folder or one file; only those of `symbols` if given.

    Of a folder: `<SYM>_1min.csv` at its top level, `<SYM>_1day.csv` beside them for older
    history, `quotes/<SYM>_1min_quote.csv` for real bids and asks, `extended/<SYM>_1min.csv` for
    the hours before and after the sessions, `splits.csv` for splits.
    Raises ConfigFault naming the file, what is expected and the mend.
    """
    minute_paths = _minute_paths(path)
    if symbols:
        missing = sorted(set(symbols) - set(minute_paths))
        if missing:
            raise ConfigFault(
                f"SYMBOLS: no bar file for {', '.join(missing)} in SIM_REPLAY={path}; it has "
                f"{', '.join(sorted(minute_paths))}. Remove them from SYMBOLS or add the files."
            )
        minute_paths = {symbol: minute_paths[symbol] for symbol in symbols}
    series = {symbol: _files_of(symbol, file) for symbol, file in sorted(minute_paths.items())}
    return ReplayFiles(path, series, _splits_beside(path))


def _files_of(symbol: str, minute: Path) -> SeriesFiles:
    daily = minute.parent / f"{symbol}{DAY_SUFFIX}"
    quotes = minute.parent / QUOTE_FOLDER / f"{symbol}{QUOTE_SUFFIX}"
    extended = minute.parent / EXTENDED_FOLDER / f"{symbol}{MINUTE_SUFFIX}"
    has_daily = daily != minute and daily.is_file()
    return SeriesFiles(
        minute=RowFile(minute, "bar", HEADER),
        daily=RowFile(daily, "bar", HEADER) if has_daily else None,
        quotes=RowFile(quotes, "quote", QUOTE_HEADER, "quote_timestamp")
        if quotes.is_file()
        else None,
        extended=RowFile(extended, "bar", HEADER) if extended.is_file() else None,
    )


def _splits_beside(path: Path) -> tuple[FileSplit, ...]:
    file = (path if path.is_dir() else path.parent) / SPLITS_FILE
    if not file.is_file():
        return ()
    try:
        return read_splits(_splits_text(file).splitlines(), str(file))
    except ValueError as error:
        raise ConfigFault(f"SIM_REPLAY: {error}, or remove the file.") from error


def _minute_paths(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {_symbol_of(path): path}
    if not path.is_dir():
        what = "is no regular file and no folder" if path.exists() else "does not exist"
        raise ConfigFault(
            f"SIM_REPLAY: {path} {what}. Point SIM_REPLAY at a folder of <SYMBOL>{MINUTE_SUFFIX} "
            f"files with the header {HEADER!r}, or at one such file."
        )
    try:
        files = sorted(file for file in path.glob(f"*{MINUTE_SUFFIX}") if file.is_file())
    except OSError as error:
        raise ConfigFault(f"SIM_REPLAY: {path} cannot be listed: {error.strerror}.") from error
    if not files:
        raise ConfigFault(
            f"SIM_REPLAY: no bar file in {path}: expected <SYMBOL>{MINUTE_SUFFIX} files with the "
            f"header {HEADER!r} at its top level. Point SIM_REPLAY at the folder that holds them."
        )
    return {_symbol_of(file): file for file in files}


def _symbol_of(path: Path) -> str:
    name = path.name
    for suffix in (MINUTE_SUFFIX, DAY_SUFFIX):
        name = name.removesuffix(suffix)
    symbol = name.removesuffix(path.suffix).upper()
    if not _SYMBOL.match(symbol):
        raise ConfigFault(
            f"SIM_REPLAY: {path} does not name a symbol: {symbol!r}. Bar files are called "
            f"<SYMBOL>{MINUTE_SUFFIX}, SPY{MINUTE_SUFFIX} for example; rename it."
        )
    return symbol


def _splits_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > SPLITS_BYTES_MAX:
            raise ConfigFault(f"SIM_REPLAY: {path} has {size} bytes, more than {SPLITS_BYTES_MAX}.")
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise ConfigFault(
            f"SIM_REPLAY: {path} cannot be read: {error.strerror}. Mend its rights."
        ) from error
