"""The table of docs/DOORS.md: every fault of the exchange on every call of our doors.

`python -m tests.support.door_table` tries everything against real exchanges (minutes), keeps the
findings in door_table.json and writes the page. The slow tier tries everything again and compares.
"""

from __future__ import annotations

import json
import queue
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.door_calls import BROKER, CALLS, FIELDS, MARGIN_S, READ, Call, rules_for
from tests.support.door_trials import Fault, Finding, Trials

HERE = Path(__file__).resolve().parent
RECORD = HERE / "door_table.json"
PAGE = HERE.parents[1] / "docs" / "DOORS.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
WORKERS = 4
Cell = tuple[str, int, str, str]
"""Outcome, requests at the server, health, log."""

FAULTS: tuple[Fault, ...] = (
    Fault("refuse_connection"),
    Fault("silence"),
    Fault("reset"),
    Fault("rate_limited"),
    Fault("rate_limited", {"retry_after_s": 60}),
    Fault("refused_keys", {"status": 401}),
    Fault("refused_keys", {"status": 403}),
    Fault("server_error", {"status": 500, "form": "json"}),
    Fault("server_error", {"status": 502, "form": "html"}),
    Fault("server_error", {"status": 503, "form": "empty"}),
    Fault("server_error", {"status": 504, "form": "html"}),
    Fault("odd_reply", {"form": "html"}),
    Fault("odd_reply", {"form": "null"}),
    Fault("odd_reply", {"form": "empty"}),
    Fault("odd_reply", {"form": "list"}),
    Fault("odd_reply", {"form": "object"}),
    Fault("moved"),
    Fault("reply_lost", {"how": "reset"}),
    Fault("reply_lost", {"how": "504"}),
    Fault("reset_mid_body"),
    Fault("truncated"),
    Fault("dribble", {"pause_s": 1.0}),
    Fault("slow_reply", {"delay_s": 2.0}),
    Fault("refused_rows", {"status": 403}),
    Fault("stuck_pending_cancel"),
    Fault("field_removed"),
    Fault("field_retyped", {"to": "object"}),
    Fault("field_renamed", {"to": "renamed"}),
    Fault("unknown_word", {"word": "unheard_of"}),
    Fault("clock_skew", {"seconds": 600}),
    Fault("stale_quotes", {"age_s": 600}),
    Fault("zero_quotes"),
    Fault("halt"),
)
STREAMS_ONLY = frozenset(
    {
        "connection_limit",
        "handshake_refused",
        "stream_mute",
        "half_open",
        "events_lost",
        "events_doubled",
        "events_reordered",
    }
)
"""Tried on the streams, by tests/shell/test_door_streams.py."""
NO_CALL = frozenset({"overnight_split"})
"""Changes the market by night: no single call meets it (services/trading_bot: splits)."""


def pairs(faults: Sequence[Fault] = FAULTS) -> Iterator[tuple[Fault, Call]]:
    """Yield every fault with every call that it can concern."""
    for fault in faults:
        for call in CALLS:
            if not fault.bends or call.name in FIELDS:
                yield fault, call


def cell_of(finding: Finding) -> Cell:
    """Return what of a finding no run changes."""
    return finding.outcome, finding.requests, finding.health, finding.log


def broken_rules(fault: str, call: Call, finding: Finding) -> list[str]:
    """Return the rules that a finding breaks, whatever the record says."""
    bounds = rules_for(fault)
    rules = {
        "an entry is posted once at most": finding.posts <= 1,
        "what changes something is sent once": call.lane == READ or finding.requests <= 1,
        "a read is tried three times at most": finding.requests <= bounds.attempts,
        "every call ends in time": finding.took_s <= bounds.total_s + MARGIN_S,
        "trouble of the network parks nobody": "FAILED" not in finding.health
        or not finding.outcome.startswith("TRANSIENT"),
        "what is unknown is never called OK": finding.health != "OK"
        or not finding.outcome.startswith("Unknown"),
        "a failed read is never an answer": call.door != BROKER
        or "call_failed" not in finding.log
        or finding.outcome != "answered",
    }
    return [rule for rule, holds in rules.items() if not holds]


def record() -> dict[str, dict[str, Cell]]:
    """Return the findings that docs/DOORS.md shows, by fault and call."""
    document = json.loads(RECORD.read_text(encoding="utf-8"))
    return {
        fault: {call: (cell[0], cell[1], cell[2], cell[3]) for call, cell in row.items()}
        for fault, row in document.items()
    }


def table(findings: dict[str, dict[str, Cell]]) -> str:
    """Return the table as Markdown: calls with the same end share a line."""
    lines = [
        "| fault | calls | what came of it | requests | health | log |",
        "|---|---|---|---|---|---|",
    ]
    lanes = {call.name: f"{call.door} {call.lane}" for call in CALLS}
    everybody: dict[str, list[str]] = {}
    for call in CALLS:
        everybody.setdefault(lanes[call.name], []).append(call.name)
    for fault, row in findings.items():
        groups: dict[Cell, list[str]] = {}
        for name, cell in row.items():
            groups.setdefault(cell, []).append(name)
        for cell, names in groups.items():
            outcome, requests, health, log = cell
            told = f"{outcome} | {requests} | {health} | {log}"
            lines.append(f"| `{fault}` | {_named(names, everybody)} | {told} |")
    return "\n".join(lines) + "\n"


def _named(names: list[str], everybody: dict[str, list[str]]) -> str:
    """Name calls, a whole lane by its own name."""
    if len(names) == sum(len(lane) for lane in everybody.values()):
        return "all"
    left, told = list(names), []
    for lane, members in everybody.items():
        if len(members) > 1 and all(name in left for name in members):
            told.append(f"{lane}: all")
            left = [name for name in left if name not in members]
    return ", ".join([*told, *left])


def page(text: str, findings: dict[str, dict[str, Cell]]) -> str:
    """Return the page with its table put in anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table(findings)}\n{END}{tail}"


def try_all(folder: Path) -> dict[tuple[str, str], Finding]:
    """Try everything, on a few exchanges side by side."""
    waiting: queue.SimpleQueue[Fault] = queue.SimpleQueue()
    for fault in FAULTS:
        waiting.put(fault)
    found: dict[tuple[str, str], Finding] = {}

    def work(place: Path) -> None:
        with Trials(place) as trials:
            while not waiting.empty():
                try:
                    fault = waiting.get_nowait()
                except queue.Empty:
                    return
                for one, call in pairs((fault,)):
                    found[one.name, call.name] = trials.attempt(one, call)

    workers = [
        threading.Thread(target=work, args=(folder / str(number),)) for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def main() -> int:
    """Try everything, keep it, write the page; 1 when a rule is broken."""
    with tempfile.TemporaryDirectory() as folder:
        found = try_all(Path(folder))
    calls = {call.name: call for call in CALLS}
    broken = [
        f"{fault} x {name}: {rule}"
        for (fault, name), finding in found.items()
        for rule in broken_rules(fault, calls[name], finding)
    ]
    document: dict[str, dict[str, Cell]] = {}
    for fault, call in pairs():
        document.setdefault(fault.name, {})[call.name] = cell_of(found[fault.name, call.name])
    RECORD.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), document), encoding="utf-8")
    sys.stdout.write("\n".join([*broken, f"{len(found)} tried, {len(broken)} rules broken\n"]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
