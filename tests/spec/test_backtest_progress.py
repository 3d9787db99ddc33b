"""How far a backtest is, as a person sees it."""

from __future__ import annotations

import io

import pytest

from services.trading_bot.backtest.progress import MinuteCount, shown_progress

pytestmark = pytest.mark.unit

MINUTES = [f"2019-02-11T14:{minute}:00Z" for minute in range(30, 50)]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_when_the_store_writes_minutes_differently_then_they_count() -> None:
    """Files say 14:30:00Z, the store 14:30:00.000Z: the minute is the same."""
    count = MinuteCount(MINUTES)

    assert count.done("2019-02-11T14:30:00.000Z") == 1
    assert count.done("2019-02-11T14:29:00.000Z") == 0
    assert count.done("2019-02-12T14:29:00.000Z") == count.total == len(MINUTES)


def test_progress_when_no_terminal_then_one_plain_line_for_each_tenth() -> None:
    """Every minute is told, every tenth is shown, and no control character goes into a file."""
    out = io.StringIO()

    with shown_progress(MINUTES, out) as progress:
        for minute in (*MINUTES, MINUTES[-1]):
            progress(minute)

    lines = out.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[0] == "2019-02-11T14:30Z: 0 %"
    assert lines[-1] == "2019-02-11T14:49Z: 100 %"
    assert out.getvalue().replace("\n", "").isprintable()


def test_progress_when_on_a_terminal_then_a_bar_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar shows the market's minute and reaches the end."""
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()

    with shown_progress(MINUTES, out) as progress:
        progress(MINUTES[-1])

    assert "2019-02-11T14:49" in out.getvalue()
    assert "100 %" in out.getvalue()
