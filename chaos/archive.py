"""The folder of the drills' reports: `logs/drills/<UTC>/` for each run, and history.jsonl."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from chaos.report import Document, junit_of
from chaos.report_page import page_of
from chaos.summary import TIMES
from shared.persistence.atomic_file import write_document

HISTORY, HISTORY_LINES_MAX = "history.jsonl", 5_000
KEPT = ("name", "verdict", *TIMES, "seed")
"""What history.jsonl says of each drill, beside `ts`."""


class Archive:
    """Reports of this run and of earlier ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def history(self) -> list[Document]:
        """Return earlier drills from old to new; a line that cannot be read tells nothing."""
        found = []
        with suppress(OSError):
            text = (self.folder / HISTORY).read_text("utf-8", errors="replace")
            for line in text.splitlines()[-HISTORY_LINES_MAX:]:
                with suppress(ValueError):
                    told = json.loads(line)
                    found += [told] if isinstance(told, dict) else []
        return found

    def write(self, report: Document, began: datetime) -> Path:
        """Write the reports of one run; return where. Raises OSError or TransientFault."""
        folder = self.folder / began.strftime("%Y%m%dT%H%M%SZ")
        folder.mkdir(mode=0o700, exist_ok=True)
        written: tuple[tuple[str, Callable[[Document], str]], ...] = (
            ("report.json", lambda told: json.dumps(told, indent=2) + "\n"),
            ("report.html", page_of),
            ("junit.xml", junit_of),
        )
        for name, text_of in written:
            write_document(folder / name, text_of(report).encode("utf-8", "replace"))
        with (self.folder / HISTORY).open("a", encoding="utf-8") as file:
            for one in report["drills"]:
                line = {"ts": report["ended_at"], **{key: one[key] for key in KEPT}}
                file.write(json.dumps(line) + "\n")
        return folder

    def keep_logs(self, logs: Path, name: str) -> None:
        """Keep the logs of a drill that did not pass, instead of those of its last time."""
        target = self.folder / f"last_failed_{name}"
        shutil.rmtree(target, ignore_errors=True)
        with suppress(OSError):
            shutil.copytree(logs, target)
