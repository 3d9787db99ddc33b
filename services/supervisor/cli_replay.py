"""`replay FILE`: a day's record of events, replayed to the state that it comes to.

FILE is one of logs/events. The result is held against the beginning of the next day's file
beside it, when there is one, else against the saved trading state.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from services.supervisor.folders import state_folder
from services.supervisor.terminal import printable, say
from shared.config.paths import StatePaths
from shared.errors import ConfigFault, SchemaFault, TransientFault
from shared.models.state_codec import state_to_payload
from shared.models.trading_state import BotState
from shared.persistence.atomic_file import Missing, TooLarge, read_document
from shared.persistence.day_log import FILE_BYTES_MAX
from shared.persistence.day_replay import DayReplay, differing_members, first_snapshot, replay_day
from shared.persistence.document import DOCUMENT_BYTES_MAX, Malformed, NewerVersion, unseal

EXIT_DIFFERS = 1


def replay_file(arguments: argparse.Namespace) -> int:
    """Replay and compare; 0 equal, 1 another state, 75 unreadable, 76 broken lines, 78 no file."""
    path = Path(arguments.file)
    done = replay_day(_read(path, FILE_BYTES_MAX))
    for words in done.broken:
        say(f"broken: {printable(words)}", sys.stderr)
    if done.state is None:
        raise SchemaFault(
            f"{path.name}: no whole snapshot stands in it, so nothing can be replayed"
        )
    say(_summary(path, done, done.state))
    for words in done.gaps:
        say(f"  {printable(words)}")
    is_equal = _compare(path, done.state, StatePaths(state_folder(arguments)))
    if done.broken:
        return os.EX_PROTOCOL
    return os.EX_OK if is_equal else EXIT_DIFFERS


def _compare(path: Path, state: BotState, paths: StatePaths) -> bool:
    name, saved = _saved(path, state, paths)
    if (saved.get("mode"), saved.get("account_id")) != (state.mode, state.account_id):
        say(f"  not equal: {name} is another account's")
        return False
    members = differing_members(state, saved)
    if members:
        say(f"  not equal to {name}: {', '.join(members)} differ")
    else:
        say(f"  equal to {name}")
    return not members


def _saved(path: Path, state: BotState, paths: StatePaths) -> tuple[str, dict[str, Any]]:
    """Return what the end of the day must be equal to, and its name."""
    owner = path.name.partition(".")[2]
    later = sorted(one for one in path.parent.glob(f"*.{owner}") if one.name > path.name)
    if later:
        began = first_snapshot(_read(later[0], FILE_BYTES_MAX))
        if began is not None and began.account_id == state.account_id:
            return f"the beginning of {later[0].name}", state_to_payload(began)
    saved = paths.trading_state
    try:
        return saved.name, unseal(_read(saved, DOCUMENT_BYTES_MAX)).payload
    except NewerVersion as newer:
        raise SchemaFault(f"{saved.name} is {newer}") from None
    except Malformed as failure:
        raise SchemaFault(f"{saved.name} is damaged: {failure}") from None


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        raw = read_document(path, bytes_max)
    except TooLarge as failure:
        raise SchemaFault(str(failure)) from failure
    except OSError as failure:
        raise TransientFault(f"{path.name} cannot be read: {failure.strerror}") from failure
    if isinstance(raw, Missing):
        raise ConfigFault(
            f"{path}: there is no such file. Name one of logs/events, or --state-dir."
        )
    return raw


def _summary(path: Path, done: DayReplay, state: BotState) -> str:
    held = ", ".join(f"{each.qty} {each.symbol}" for each in state.positions.values()) or "none"
    pnl = state.pnl
    return "\n".join(
        (
            f"{printable(path.name)}: {done.events} events from {done.snapshots} snapshot(s)",
            f"  account {printable(state.account_id)} ({state.mode}), "
            f"day {state.day.date if state.day is not None else 'none'}",
            f"  positions {held}; orders {len(state.orders)}, plans {len(state.plans)}, "
            f"holds {', '.join(sorted(state.holds)) or 'none'}",
            f"  realized {pnl.realized} in {pnl.trades} trades, equity {pnl.equity}, "
            f"{'paused' if state.operator.paused else 'not paused'}",
        )
    )
