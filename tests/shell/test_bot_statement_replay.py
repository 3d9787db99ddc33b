"""The statement of a replayed day on the real exchange: cent for cent against its activities."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.models.trading_day import trading_day
from shared.models.trading_state import BotState, Cause, TradingState
from shared.persistence.ledger import LedgerReader
from shared.ports import Turn
from tests.support.bar_texts import row, write_bars
from tests.support.replay_bot import replay_bot

pytestmark = pytest.mark.integration

MONDAY, TUESDAY = date(2019, 2, 11), date(2019, 2, 12)
FRIDAY_NOON = datetime.fromisoformat("2019-02-08T17:00:00+00:00")
MONDAY_AFTERNOON = datetime.fromisoformat("2019-02-11T19:50:00+00:00")
TUESDAY_OPEN = datetime.fromisoformat("2019-02-12T14:30:00+00:00")
START_CASH, CENT = Decimal(100_000), Decimal("0.01")


def rows_from(begins: datetime, closes: list[float]) -> list[str]:
    """Rows of consecutive minutes with these closes."""
    return [
        row(f"{begins + timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}", f"{close:.2f}")
        for number, close in enumerate(closes)
    ]


def make_bars(folder: Path) -> Path:
    """AAA breaks out on Monday afternoon and falls through its stop before the day ends."""
    folder.mkdir()
    monday = [*[100.0] * 31, *[100.6] * 3, *[98.5] * 3]
    rows = [
        *rows_from(FRIDAY_NOON, [100.0]),
        *rows_from(MONDAY_AFTERNOON, monday),
        *rows_from(TUESDAY_OPEN, [98.5] * 2),
    ]
    write_bars(folder, "AAA_1min.csv", rows)
    return folder


class Alarms(logging.Handler):
    """Keeps what was logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@dataclass
class Replayed:
    """What the replay of both days has left."""

    statements: dict[str, dict[str, Any]]
    """The last one of each day."""
    monday: BotState
    """The bot's state after Monday's last turn."""
    broker_cash: Decimal
    activities_cash: Decimal
    """Start cash and every fill, added up from the exchange's own list."""
    standings: list[tuple[TradingState, Cause]]
    alarms: list[str]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Play Monday as it is, and Tuesday with our own books made wrong by two cents."""
    folder = tmp_path_factory.mktemp("replay")
    alarms, standings, mondays = Alarms(), list[tuple[TradingState, Cause]](), list[BotState]()
    logging.getLogger("statement").addHandler(alarms)
    with replay_bot(folder, make_bars(folder / "bars")) as bot:

        def falsify(turn: Turn) -> None:
            state = bot.parts.memory.state
            if mondays or state.statement is None or trading_day(turn.reading.now) != TUESDAY:
                return
            mondays.append(state)
            wrong = replace(state.statement, cash=state.statement.cash + 2 * CENT)
            bot.parts.memory.state = replace(state, statement=wrong)

        bot.play(falsify, lambda: standings.append(bot.standing()) if mondays else None)
        rows = LedgerReader(bot.parts.settings.state.ledger).statements(20)
        account = bot.exchange.call("GET", "/v2/account").json()
        fills = bot.exchange.call("GET", "/v2/account/activities/FILL?page_size=100").json()
    logging.getLogger("statement").removeHandler(alarms)
    spent = sum(
        (Decimal(fill["qty"]) * Decimal(fill["price"]) * (-1 if fill["side"] == "sell" else 1))
        for fill in fills
    )
    return Replayed(
        statements={str(row["day"]): dict(row) for row in reversed(rows)},
        monday=mondays[0],
        broker_cash=Decimal(account["cash"]),
        activities_cash=START_CASH - spent,
        standings=standings,
        alarms=alarms.said,
    )


def test_statement_when_a_day_was_replayed_then_it_agrees_to_the_cent(replayed: Replayed) -> None:
    """Monday traded; its statement is final and without a difference, and its cash and profit are
    what the activities come to when somebody else adds them up.
    """
    made, state = replayed.statements[MONDAY.isoformat()], replayed.monday

    assert made["differences"] == []
    assert state.statement is not None
    assert (state.statement.day, state.statement.is_final) == (MONDAY, True)
    assert state.pnl.trades >= 1
    assert state.statement.cash == replayed.activities_cash == replayed.broker_cash
    assert state.pnl.realized == replayed.activities_cash - START_CASH != 0


def test_statement_when_our_books_are_two_cents_wrong_then_it_alarms_and_reduces(
    replayed: Replayed,
) -> None:
    """A difference that nobody explains is told, and holds entries back."""
    (difference,) = replayed.statements[TUESDAY.isoformat()]["differences"]

    assert difference.startswith("cash: ")
    assert any(difference in words for words in replayed.alarms)
    assert replayed.standings[0] == (TradingState.ACTIVE, Cause.NONE)
    assert replayed.standings[-1] == (TradingState.REDUCING, Cause.RISK)
