"""python -m services.trading_bot.tuning --state-dir DIR [--bars DIR] [--horizon-min N] [--json]

Prints which limits refused entries, how often, and what that cost or saved; reads alone. 0, 78 for
what cannot be asked, 75 and 76 for a ledger that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from services.trading_bot.tuning.prices import Prices, from_folder, from_store
from services.trading_bot.tuning.weighing import tuning_document, tuning_text, weigh
from shared.config.paths import StatePaths
from shared.errors import ConfigFault, SystemFault
from shared.persistence.ledger import DENIALS_KEPT, LedgerReader
from shared.persistence.market_store import MarketStoreReader

HORIZON_MIN_DEFAULT, HORIZON_MIN_MAX = 30, 390


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.trading_bot.tuning",
        description="Which limits bound, how often, at what cost. It proposes and changes nothing.",
    )
    parser.add_argument("--state-dir", required=True, metavar="DIR", help="folder with ledger.db")
    parser.add_argument("--bars", metavar="DIR", help="minute bars; without it those of market.db")
    parser.add_argument(
        "--horizon-min",
        type=int,
        default=HORIZON_MIN_DEFAULT,
        metavar="N",
        help="market minutes after which a refused entry is judged (30)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _report(arguments: argparse.Namespace) -> str:
    minutes = arguments.horizon_min
    if not 1 <= minutes <= HORIZON_MIN_MAX:
        raise ConfigFault(f"--horizon-min {minutes}: write minutes from 1 to {HORIZON_MIN_MAX}.")
    paths = StatePaths(Path(arguments.state_dir))
    if not paths.ledger.is_file():
        raise ConfigFault(f"--state-dir {paths.root}: no ledger.db lies there.")
    horizon = timedelta(minutes=minutes)
    store = MarketStoreReader(paths.market)
    try:
        read = from_store(store) if arguments.bars is None else from_folder(Path(arguments.bars))
        rows = LedgerReader(paths.ledger).denials(DENIALS_KEPT)[::-1]
        weights = weigh(rows, Prices(read).worth, horizon)
    finally:
        store.close()
    if arguments.json:
        return json.dumps(tuning_document(weights, horizon), indent=1) + "\n"
    return tuning_text(weights, horizon)


def main(words: Sequence[str]) -> int:
    """Print the report; return the exit code. Wrong arguments end with 2."""
    try:
        sys.stdout.write(_report(_parser().parse_args(words)))
    except SystemFault as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
