"""python -m services.trading_bot.backtest --bars DIR --from DAY --to DAY [--out DIR]

0 the run was sound: its books agree to the cent with the broker's fills, every limit held, a stop
stood behind every share; 1 not; 78 for what cannot be run; else the exit code of the run itself.
The result goes to OUT/backtest.json and OUT/backtest.html.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from services.trading_bot.backtest.bars import Closes, Spreads, minutes_of
from services.trading_bot.backtest.page import result_page
from services.trading_bot.backtest.progress import shown_progress
from services.trading_bot.backtest.records import read_records
from services.trading_bot.backtest.request import Request, parser, request_of
from services.trading_bot.backtest.result import (
    Prices,
    Terms,
    is_good,
    result_document,
    result_json,
)
from services.trading_bot.backtest.running import RunFailed, run_system
from shared.errors import EXIT_CANNOT_WRITE, ConfigFault, SystemFault
from shared.persistence.atomic_file import write_document

JSON_NAME, PAGE_NAME = "backtest.json", "backtest.html"
INTERRUPTED = 130


def backtest(request: Request) -> tuple[int, dict[str, Any]]:
    """Run it, write the result, and return the exit code beside the document."""
    bars, minutes = minutes_of(request.files, request.first, request.last)
    if not bars:
        raise ConfigFault(
            f"--from {request.first} --to {request.last}: no bar of these symbols lies there."
        )
    request.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = _folder(request, stack)
        progress = stack.enter_context(shown_progress(minutes))
        code = run_system(request, folder, progress)
        records = read_records(folder)
    sim = request.settings.sim
    terms = Terms(
        first=request.first.isoformat(),
        last=request.last.isoformat(),
        strategies=request.settings.strategies,
        cash=sim.cash,
        seed=sim.seed,
        spread_bps=sim.spread_bps,
        bars=bars,
        limits=request.settings.limits,
    )
    prices = Prices(
        half_spread=Spreads(request.bars, sim.spread_bps).half,
        close_of=Closes(request.files).last,
        minutes=[datetime.fromisoformat(minute) for minute in minutes],
    )
    document = result_document(terms, records, prices)
    write_document(request.out / JSON_NAME, result_json(document).encode())
    write_document(request.out / PAGE_NAME, result_page(document).encode())
    return code or (os.EX_OK if is_good(document) else 1), document


def _folder(request: Request, stack: ExitStack) -> Path:
    if request.keep is not None:
        request.keep.mkdir(parents=True, exist_ok=True)
        return request.keep
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backtest-")))


def _say(document: dict[str, Any], out: Path) -> None:
    measures, audit = document["measures"], document["audit"]
    sys.stdout.write(
        f"P&L {measures['pnl']} dollars (realized {measures['realized_pnl']}), "
        f"Sharpe {measures['sharpe']} of {measures['sharpe_days']} days, "
        f"max drawdown {float(measures['max_drawdown']) * 100:.3f} %\n"
        f"{measures['trades']} trades, win rate {measures['win_rate']}, "
        f"spread paid {measures['spread_paid']}\n"
        f"books agree with the broker's fills: {'yes' if audit['agrees'] else 'no'}\n"
        f"every limit held: {'no' if audit['limits_broken'] else 'yes'}, "
        f"a stop behind every share: {'no' if audit['stops_missing'] else 'yes'}\n"
        f"{out / PAGE_NAME}\n{out / JSON_NAME}\n"
    )


def main(words: Sequence[str]) -> int:
    """Carry out one backtest; return its exit code. Wrong arguments end with 2."""
    arguments = parser().parse_args(words)
    try:
        request = request_of(arguments, os.environ)
        code, document = backtest(request)
    except SystemFault as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    except RunFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return failure.exit_code
    except OSError as failure:
        sys.stderr.write(f"--out or --keep cannot be written: {failure}\n")
        return EXIT_CANNOT_WRITE
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; no result was written.\n")
        return INTERRUPTED
    _say(document, request.out)
    return code


def _interrupted(*_: object) -> None:
    """End as by Ctrl-C: the system that was started must not live on without us."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupted)
    sys.exit(main(sys.argv[1:]))
