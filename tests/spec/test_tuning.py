"""The tuning report: which limits bound, at what cost; it proposes and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading_bot.tuning.__main__ import main
from services.trading_bot.tuning.prices import Prices, from_folder
from services.trading_bot.tuning.weighing import (
    EPISODES_MIN,
    SETTINGS,
    Weight,
    proposal,
    tuning_text,
    weigh,
)
from shared.persistence.ledger import Denial, LedgerWriter
from shared.risk.approved import CheckResult
from shared.risk.checks import MATRIX
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

D = Decimal
NOON = datetime(2019, 2, 11, 17, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def a_check(code: str, *, passed: bool = False, value: str = "0.06") -> dict[str, object]:
    """One line of a trace."""
    return {"code": code, "passed": passed, "limit": "0.05", "value": value}


def a_row(minute: int, *checks: dict[str, object], **changes: object) -> dict[str, Any]:
    """A refused buy of ten shares, so many minutes after noon."""
    at = (NOON + timedelta(minutes=minute)).isoformat()
    row = {"at": at, "symbol": "SPY", "side": "buy", "qty": "10", "purpose": "ENTRY"}
    return {**row, "trace": [*checks, a_check("equity", passed=True)], **changes}


def rising(_symbol: str, at: datetime, _horizon: timedelta) -> tuple[Decimal, Decimal]:
    """A dollar more after noon's hour, a dollar less later."""
    return (D(100), D(101)) if at < NOON + timedelta(hours=1) else (D(100), D(99))


def test_weigh_when_checks_refuse_together_then_only_the_lonely_one_costs() -> None:
    """A denial with two failing checks would have stayed one without either: it costs neither."""
    rows = [a_row(0, a_check("position"), a_check("cooldown")), a_row(1, a_check("position"))]

    position, cooldown = weigh(rows, rising, HALF_HOUR)

    assert (position.code, position.denials, position.alone, position.episodes) == (
        "position", 2, 1, 1,
    )  # fmt: skip
    assert (position.forgone, position.avoided, position.net) == (D(10), D(0), D(10))
    assert (cooldown.code, cooldown.denials, cooldown.alone, cooldown.net) == (
        "cooldown", 1, 0, D(0),
    )  # fmt: skip


def test_weigh_when_a_signal_returns_each_minute_then_it_is_one_episode() -> None:
    """Thirty refusals of one wish within the horizon are one missed trade."""
    rows = [a_row(minute, a_check("position")) for minute in range(31)]
    rows.append(a_row(31, a_check("position"), symbol="MSFT"))

    (weight,) = weigh(rows, rising, HALF_HOUR)

    assert (weight.denials, weight.episodes, weight.forgone) == (32, 3, D(30))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 300),
            st.sampled_from([("position",), ("cooldown",), ("position", "cooldown")]),
            st.sampled_from(["SPY", "MSFT"]),
            st.sampled_from(["buy", "sell"]),
            st.integers(1, 10_000),
        ),
        max_size=25,
    ),
    st.decimals("0.01", "1e5", places=2),
)
def test_weigh_when_anything_was_refused_then_the_counts_nest_and_money_is_money(
    refused: list[tuple[int, tuple[str, ...], str, str, int]], later: Decimal
) -> None:
    """Priced episodes are episodes, these are lonely refusals, these are refusals; what was forgone
    and what was avoided are never negative, and one episode is never both.
    """
    rows = [
        a_row(minute, *map(a_check, codes), symbol=symbol, side=side, qty=str(qty))
        for minute, codes, symbol, side, qty in sorted(refused)
    ]

    for weight in weigh(rows, lambda *_: (D(100), later), HALF_HOUR):
        assert 0 <= weight.priced == weight.episodes <= weight.alone <= weight.denials <= len(rows)
        assert weight.forgone >= 0 <= weight.avoided
        assert weight.net == weight.forgone - weight.avoided
        assert weight.episodes or weight.forgone == weight.avoided == 0
        assert later != 100 or weight.net == 0


def test_weigh_when_the_price_fell_then_the_check_saved_it_and_a_sell_turns_it_round() -> None:
    """Losses avoided stand beside gains forgone; the side decides which is which."""
    rows = [
        a_row(90, a_check("position")),
        a_row(200, a_check("position"), side="sell", symbol="MSFT"),
    ]

    (weight,) = weigh(rows, rising, HALF_HOUR)

    assert (weight.forgone, weight.avoided) == (D(10), D(10))


def test_weigh_when_the_price_is_unknown_then_the_episode_has_none() -> None:
    """What nobody knows is not zero; an exit that was refused is no entry."""
    rows = [a_row(0, a_check("x", value="a")), a_row(0, a_check("x"), purpose="REDUCE")]

    (weight,) = weigh(rows, lambda *_: None, HALF_HOUR)

    assert (weight.denials, weight.episodes, weight.priced) == (1, 1, 0)
    assert weight.values == ("a", "a")


def a_weight(code: str, priced: int, forgone: str, avoided: str) -> Weight:
    """A weight whose proposal is asked."""
    return Weight(code, 90, 90, priced, priced, D(forgone), D(avoided), "0.05", ("0.06", "0.07"))


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (a_weight("spread", 99, "500", "0"), "none: it asks for evidence"),
        (a_weight("position", EPISODES_MIN - 1, "500", "0"), "episodes with a price say nothing"),
        (a_weight("position", EPISODES_MIN, "1", "3"), "keep POSITION_LIMIT_PCT"),
        (a_weight("cooldown", EPISODES_MIN, "3", "1"), "consider MIN_COOLDOWN_MINUTES"),
    ],
)
def test_proposal_when_asked_then_it_follows_the_evidence(weight: Weight, words: str) -> None:
    """Evidence is never for sale, few episodes say nothing, and what saved money is kept."""
    assert words in proposal(weight)
    assert "Nothing was changed" in tuning_text([weight], HALF_HOUR)


def test_settings_when_named_then_each_belongs_to_a_check_of_an_entry() -> None:
    """No tunable check is made up."""
    assert set(SETTINGS) <= set(MATRIX)


def a_denial(minute: int) -> Denial:
    """A refusal in the ledger."""
    check = CheckResult("position", False, "5000", "6000")
    return Denial(
        at=NOON + timedelta(minutes=minute),
        client_order_id=f"id-{minute}",
        symbol="SPY",
        side="buy",
        qty=D(10),
        purpose="ENTRY",
        code="position",
        limit_value="5000",
        value="6000",
        trace=(check,),
    )


def a_folder_of_bars(folder: Path, closes: Mapping[int, str]) -> Path:
    """Bars whose closes stand so many minutes after noon; some rows are rotten."""
    folder.mkdir()
    lines = ["timestamp,open,high,low,close,volume", "rotten,1,1,1,1,1", "2019-02-11T17:00:00"]
    lines += ["2019-02-11T17:00:00,1,1,1,9,1", "2019-02-11T17:00:00Z,1,1,1,NaN,1", "\x00\ufffd"]
    for minute, close in closes.items():
        start = NOON + timedelta(minutes=minute - 1)
        lines.append(f"{start:%Y-%m-%dT%H:%M:%SZ},1,1,1,{close},1")
    (folder / "SPY_1min.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_prices_when_bars_are_missing_then_nothing_is_made_up(tmp_path: Path) -> None:
    """Then and later are finished bars of that day; a stale, single or foreign one gives None."""
    day = timedelta(days=1)
    bars = {0: "100", 20: "103", 29: "104", 31: "200", 24 * 60 - 5: "7"}
    prices = Prices(from_folder(a_folder_of_bars(tmp_path / "bars", bars)))

    assert prices.worth("SPY", NOON, HALF_HOUR) == (D(100), D(104))
    assert prices.worth("SPY", NOON + timedelta(minutes=10), HALF_HOUR) is None
    assert prices.worth("SPY", NOON - HALF_HOUR, HALF_HOUR) is None
    assert prices.worth("SPY", NOON + timedelta(minutes=31), day) is None
    assert prices.worth("NONE", NOON, HALF_HOUR) is None


def test_tuning_when_run_then_it_reports_and_leaves_the_ledger_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command reads denials and bars, prints what they come to, and writes nothing."""
    ledger = LedgerWriter(tmp_path / "ledger.db", ManualClock())
    ledger.add_denial(a_denial(0))
    ledger.commit()
    ledger.close()
    bars = a_folder_of_bars(tmp_path / "bars", {0: "100", 30: "102.50"})
    before = (tmp_path / "ledger.db").read_bytes()

    assert main(["--state-dir", str(tmp_path), "--bars", str(bars), "--json"]) == 0

    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert (check["code"], check["gains_forgone"], check["net_cost"]) == (
        "position", "25.00", "25.00",
    )  # fmt: skip
    assert (tmp_path / "ledger.db").read_bytes() == before
    assert main(["--state-dir", str(tmp_path)]) == 0
    assert "position" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("--state-dir", "nowhere"),
        ("--state-dir", "HERE", "--bars", "nowhere"),
        ("--state-dir", "HERE", "--horizon-min", "0"),
    ],
)
def test_tuning_when_it_cannot_be_asked_then_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Wrong input is named, without a traceback."""
    ledger = LedgerWriter(tmp_path / "ledger.db", ManualClock())
    ledger.add_denial(a_denial(0))
    ledger.commit()
    ledger.close()

    assert main([str(tmp_path) if word == "HERE" else word for word in words]) == 78
    assert capsys.readouterr().err.startswith("--")
