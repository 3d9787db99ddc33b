"""`make bench`: every budget of the design, as a table and as build/bench.json.

`python -m tests.bench NAME ...` runs only the named ones. Exit 1 when a bound is broken.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from pathlib import Path

from tests.bench.frame import Row

BENCHES = (
    "backtest",
    "commit",
    "dashboard",
    "decision",
    "doors",
    "exchange",
    "growth",
    "guard",
    "orders",
    "processes",
    "replay",
    "supervision",
)
REPORT = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def main(names: list[str]) -> int:
    """Run the benches and print their rows."""
    unknown = sorted(set(names) - set(BENCHES))
    if unknown:
        sys.stderr.write(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}\n")
        return 2
    REPORT.parent.mkdir(exist_ok=True)
    rows: list[Row] = []
    for name in names or BENCHES:
        for row in importlib.import_module(f"tests.bench.bench_{name}").rows():
            rows.append(row)
            sys.stdout.write(row.as_text() + "\n")
            sys.stdout.flush()
    report = {
        "schema_version": 1,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "rows": [row.as_document() for row in rows],
    }
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    broken = [row.name for row in rows if not row.is_kept]
    sys.stdout.write(f"{len(rows) - len(broken)} of {len(rows)} budgets kept\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
