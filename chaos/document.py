"""docs/CHAOS.md, made from the catalogue: `python -m chaos.document` writes it anew."""

from __future__ import annotations

from pathlib import Path

from chaos.catalogue import CATALOGUE, OWNERS_FOUR
from chaos.row import Invariant, Row

PLACE = Path(__file__).resolve().parents[1] / "docs" / "CHAOS.md"
HEAD = """# Chaos drills

Made from `chaos/catalogue.py` by `python -m chaos.document`; do not edit it here.

```console
$ CHAOS_MODE=alpaca_down CHAOS_AFTER_S=10 CHAOS_DURATION_S=20 python deploy_supervisor.py
$ python deploy_supervisor.py drill --list
$ python deploy_supervisor.py drill control alpaca_down bot_hang --repeat 10
$ python deploy_supervisor.py drill --all
$ python deploy_supervisor.py drill --random 600 --seed 7 --fresh
```

The first breaks a running system: `health.json` says `chaos_mode`, the page shows a red banner,
and the terminal and `logs/chaos.jsonl` say when a fault is armed, begins and ends. Several faults
are separated by commas. It acts on the system that was started with it and on no other: a start
that is refused breaks nothing. It is refused in `live` and `live_limited` with exit 78. In `paper`,
`alpaca_down` and `invalid_creds` act in a small gateway on loopback that is put before the broker
by the URL overrides; processes, file and disk are broken as in `sim`; faults that only the
embedded exchange can show are refused with 78.

`drill` proves: in a throw-away copy of `state/` and `logs/`, in `sim`, under supervisord; a system
may be at work in the real ones meanwhile, and is left alone. It waits for a steady state (else the
drill is NOT RUN), lets the fault act, looks ten times a second at `health.json`, once a second at
the dashboard's API, receives what heartbeat sends as an alert, ends the fault whatever happens,
and waits for the steady state again. The next run sweeps what a killed runner has left, at
whatever moment it died. `--fresh` begins with empty folders. `control` is a run without a fault,
which `--all` begins with: whatever it shows is a false alarm. `--repeat` adds medians and worst
times to the report. `--random` draws drills by a seed for so many seconds (`make soak`: an hour),
watches that neither anybody's memory and descriptors nor the files in `state/` and `logs/` grow,
and tells after a failure the command that repeats it and the shortest end of the sequence that
still fails. Exit 0: all passed; 1: not.

| verdict | means |
|---|---|
| PASSED | it acted, was shown, answered and healed in time, and no invariant broke |
| FAILED | one of these is not so; the grounds say which |
| INCONCLUSIVE | nothing proves that the fault acted |
| ABORTED | a guardrail broke (emergency stop, equity), or fault or drill could not be made |
| NOT RUN | there was no copy, or no steady state to begin with |

Reports: `logs/drills/<UTC>/report.json` (its schema: `chaos/report.py`), `report.html`,
`junit.xml`; `logs/drills/history.jsonl` keeps every run, for the trend.

Each fault has a lease: the exchange and the gateway end theirs themselves, a keeper of its own
ends a hang or a full disk, also when whoever asked is dead. A keeper that is killed takes its fault
along, and a gateway that is killed is back at once.
"""


COURSE = """A fault of the wire, the disk or the clock stays shown until it is over (or, where the
row says so, until the system is well in spite of it); what passes by itself is never FAILED for
long enough to page anybody; where ACTIVE alone is expected, trading goes on; what only a person
can mend is parked without one restart, and held until a page has come. People need not be told
again of what they were told of and whose end was not told yet.

An order counts as lost when our prefix stands at the broker and the id neither in
`trading_state.json`, `journal.jsonl` (each with its older generations) or `ledger.db` nor in
`orders.jsonl`; when it still works there and `orders.jsonl` alone knows it; and when
`trading_state.json` and the exchange's positions do not agree within 15 s of the end. State and
journal are the books that must survive (ORDER_PATH.md rules 14 and 16); `orders.jsonl` is for
people, and on a full disk the state is all that knows of an exit.

`tests/drills/mutants.py` switches every healing off in a copy: each row is then red.
"""


def _row(row: Row) -> str:
    name = f"**{row.name}**" if row.name in OWNERS_FOUR else row.name
    bounds, wanted = row.bounds, row.expected
    codes = ", ".join(wanted.codes) or ("`ambiguous` is logged" if wanted.ambiguous else "incident")
    heals = f"{bounds.recover_s:g}" + (" after `release`" if wanted.by_hand else "")
    return (
        f"| {name} | {row.place} | {row.breaks} | {', '.join(row.radius)} | {row.failure_class} | "
        f"{codes} | {', '.join(wanted.trading)} | {bounds.detect_s:g} | {bounds.respond_s:g} | "
        f"{heals} | {bounds.lease_s:g} |"
    )


def _must(row: Row) -> str:
    wanted = row.expected
    parts = (
        ("the same process", wanted.same_process),
        ("a new process", wanted.new_process),
        ("parked", wanted.parked),
    )
    told = [f"{word}: {', '.join(names)}" for word, names in parts if names]
    told += ["the damaged file is set aside"] if wanted.quarantined else []
    told += ["well again while the fault still acts"] if wanted.heals_meanwhile else []
    told += [f'a reason says "{words}"' for words in wanted.told]
    return f"| {row.name} | {'; '.join(told) or '-'} | {row.proof} |"


def text() -> str:
    """Return the whole document."""
    rows = CATALOGUE.values()
    return "\n".join(
        [
            HEAD,
            "## Catalogue",
            "",
            "Seconds are real ones; detect and answer count from the injection, heal from its end.",
            "",
            "| drill | where | breaks | hits | class | shown as | trading | detect | answer | heal "
            "| lease |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *map(_row, rows),
            "",
            "| drill | must besides | has acted by |",
            "|---|---|---|",
            *map(_must, rows),
            "",
            "## At all times",
            "",
            "Judged on the exchange's own books, `orders.jsonl`, `trading_state.json`, the answers",
            "of the dashboard and the alerts that were received, in every drill:",
            "",
            *(f"- {one}" for one in Invariant),
            "",
            COURSE,
        ]
    )


if __name__ == "__main__":
    PLACE.write_text(text(), "utf-8")
