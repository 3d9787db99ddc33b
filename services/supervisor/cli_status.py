"""`status`: the verdict, the services and the age; standard library only."""

from __future__ import annotations

import argparse
import json
import sys

from services.supervisor.folders import state_folder
from services.supervisor.last_health import HEALTH_BYTES_MAX
from services.supervisor.terminal import (
    colours_wanted,
    painted,
    printable,
    say,
    stock_client_line,
    verdict_table,
)
from shared.clock import SystemClock
from shared.config.paths import StatePaths
from shared.errors import SystemFault
from shared.health.adopted import adopted_words
from shared.health.judge import EXIT_UNBELIEVABLE, Judgement, judge_document
from shared.models.health import SCHEMA_VERSION
from shared.persistence.atomic_file import Missing, read_document


def status(arguments: argparse.Namespace) -> int:
    """Print the judgement; 0 OK, 1 DEGRADED, 3 FAILED or not running, 4 not to be believed."""
    state = StatePaths(state_folder(arguments))
    clock = SystemClock()
    try:
        read = read_document(state.health, HEALTH_BYTES_MAX)
    except (SystemFault, ValueError) as fault:
        say(printable(f"health.json cannot be believed: {fault}"), sys.stderr)
        return EXIT_UNBELIEVABLE
    raw = None if isinstance(read, Missing) else read
    judgement = judge_document(raw, boot_id=clock.boot_id(), boottime_s=clock.boottime_s())
    if arguments.json:
        say(json.dumps(_as_document(judgement), indent=2))
    else:
        _show(judgement)
        line = stock_client_line(state.supervisor_socket)
        if line is not None:
            say(line)
    return judgement.exit_code


def _as_document(judgement: Judgement) -> dict[str, object]:
    """Return health.json with what was judged over what it says of itself."""
    return {
        "schema_version": SCHEMA_VERSION,
        **(judgement.document or {}),
        "overall": str(judgement.overall),
        "code": judgement.code,
        "reason": judgement.reason,
        "next_action": judgement.next_action,
        "standing": str(judgement.standing),
        "age_s": None if judgement.age_s is None else round(judgement.age_s, 3),
    }


def _show(judgement: Judgement) -> None:
    colour = colours_wanted(sys.stdout)
    age = "" if judgement.age_s is None else f"  ({judgement.age_s:.1f} s old)"
    code = "" if judgement.code == judgement.overall else f" {printable(judgement.code)}"
    say(f"{painted(judgement.overall, 2, colour)}{code}: {printable(judgement.reason)}{age}")
    say(f"Next: {printable(judgement.next_action)}")
    document = judgement.document
    if document is None:
        return
    if document.get("chaos_mode") not in (None, "off"):
        say(f"CHAOS: {printable(document['chaos_mode'])} breaks this system on purpose")
    trading = f"{document.get('trading_state')} ({document.get('trading_state_cause')})"
    say(f"Mode: {printable(document.get('mode'))}  Trading: {printable(trading)}")
    if words := adopted_words(document):
        say(words)
    say(verdict_table(document, colour=colour))
