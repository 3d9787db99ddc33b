"""How far the backtest is: a bar on a terminal, else a plain line for each tenth."""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from services.trading_bot.backtest.running import Progress

TENTHS = 10
_TO_THE_MINUTE = 16
"""Characters of 2019-02-11T14:30: files and stores write the rest differently."""


class MinuteCount:
    """Tells how many of the minutes are done when one of them is."""

    def __init__(self, minutes: Sequence[str]) -> None:
        self._minutes = [minute[:_TO_THE_MINUTE] for minute in minutes]
        self.total = len(self._minutes)

    def done(self, minute: str) -> int:
        """Return how many minutes lie up to and including this one."""
        return bisect.bisect_right(self._minutes, minute[:_TO_THE_MINUTE])


@contextmanager
def shown_progress(minutes: Sequence[str], stream: TextIO | None = None) -> Iterator[Progress]:
    """Yield what is told each finished minute; it shows on stderr."""
    out = sys.stderr if stream is None else stream
    count = MinuteCount(minutes)
    if out.isatty():
        with _bar(count, out) as progress:
            yield progress
    else:
        yield _lines(count, out)


@contextmanager
def _bar(count: MinuteCount, out: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(file=out)) as bar:
        task = bar.add_task("starting", total=max(1, count.total))

        def progress(minute: str) -> None:
            bar.update(task, completed=count.done(minute), description=minute[:_TO_THE_MINUTE])

        yield progress


def _lines(count: MinuteCount, out: TextIO) -> Progress:
    told = [-1]

    def progress(minute: str) -> None:
        tenth = count.done(minute) * TENTHS // max(1, count.total)
        if tenth > told[0]:
            told[0] = tenth
            out.write(f"{minute[:_TO_THE_MINUTE]}Z: {tenth * TENTHS} %\n")
            out.flush()

    return progress
