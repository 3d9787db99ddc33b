"""STRATEGIES: a new strategy is one file and one line; what can never trade is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.brain.discovery import find_strategies
from services.trading_bot.brain.port import StrategySheet, parameters_of
from services.trading_bot.brain.roster import make_strategies, needs_flow
from services.trading_bot.brain.trial_market import TRIAL_MOMENTS
from shared.config.settings import Settings, load_settings
from shared.config.strategy_files import OWN_FOLDER, OWN_STRATEGIES, reward_risk_of, strategy_files
from shared.errors import ConfigFault
from shared.models.limits import Limits
from tests.support.wicked_strategies import write_strategy

pytestmark = pytest.mark.integration


def load(**values: str) -> Settings:
    """Return the settings of this environment alone."""
    return load_settings({"SHT_ENV_FILE": ""} | values)


def test_settings_when_a_folder_is_named_then_its_strategies_run_beside_ours(
    tmp_path: Path,
) -> None:
    """One file in a folder, one line of configuration, and it speaks."""
    write_strategy(tmp_path / "Mine", "honest")

    settings = load(STRATEGIES=f"Momentum,folder:{tmp_path / 'Mine'}")

    made = make_strategies(settings.strategies, settings.limits)
    assert [strategy.name for strategy in made] == ["honest", "momentum"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("momentun", "names unknown momentun"),
        ("folder:{folder}/empty", "names empty, where no strategy lies"),
        ("plugin:Bad-Name", "names unknown plugin:bad-name"),
        (",", "names nothing"),
    ],
)
def test_settings_when_a_strategy_is_nowhere_then_refused_with_the_mend(
    tmp_path: Path, text: str, words: str
) -> None:
    """A misspelt name or an empty folder is a fault of the settings before anything starts."""
    with pytest.raises(ConfigFault, match=words):
        load(STRATEGIES=text.format(folder=tmp_path))


def test_settings_when_targets_cannot_reach_the_minimum_then_strategy_and_value_are_named(
    tmp_path: Path,
) -> None:
    """MIN_REWARD_RISK above what a file sets is refused, for our own and for a folder's files."""
    write_strategy(tmp_path / "mine", "honest")
    text = f"mean_reversion,folder:{tmp_path / 'mine'}"

    with pytest.raises(ConfigFault, match=r"mean_reversion sets 1\.5, honest sets 2\.0 as"):
        load(STRATEGIES=text, MIN_REWARD_RISK="2.5")
    with pytest.raises(ConfigFault, match=r"MIN_REWARD_RISK=1\.6: .*: mean_reversion sets 1\.5 as"):
        load(MIN_REWARD_RISK="1.6")
    assert load(STRATEGIES="momentum", MIN_REWARD_RISK="1.6").strategies == ("momentum",)


def test_sheets_when_read_then_the_settings_saw_the_same_numbers() -> None:
    """What the settings read of each file without running it is what its sheet says."""
    sheets = [found.sheet for found in find_strategies(())]

    assert [sheet.name for sheet in sheets if sheet is not None] == list(OWN_STRATEGIES)
    files = strategy_files(OWN_FOLDER)
    for sheet in sheets:
        assert sheet is not None
        assert reward_risk_of(files[sheet.name]) == sheet.reward_risk


@pytest.mark.parametrize("name", OWN_STRATEGIES)
def test_trial_when_our_own_strategies_stand_it_then_each_has_spoken(name: str) -> None:
    """The trial's bars make every strategy of ours speak: passing by silence proves nothing."""
    (strategy,) = make_strategies((name,), Limits())

    assert any(strategy.decide(moment.snapshot(), moment.portfolio()) for moment in TRIAL_MOMENTS)


def test_roster_when_asked_for_flow_then_only_for_those_who_read_it() -> None:
    """Without the flow strategy nothing of the flow is read."""
    assert needs_flow(make_strategies((), Limits()))
    assert not needs_flow(make_strategies(("momentum", "mean_reversion"), Limits()))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Bad Name"},
        {"name": ""},
        {"reward_risk": Decimal(0)},
        {"reward_risk": Decimal("NaN")},
        {"reward_risk": 2.0},
        {"make": None},
        {"close_minutes_min": 390.0},
        {"close_minutes_min": float("nan")},
        {"parameters": Limits},
    ],
)
def test_sheet_when_it_cannot_be_then_it_is_not_built(changes: dict[str, object]) -> None:
    """A sheet that says nonsense, or numbers without their meaning, is no sheet."""
    right: dict[str, object] = {
        "name": "mine", "reward_risk": Decimal(2), "make": lambda limits: None
    }  # fmt: skip
    StrategySheet(**right)  # type: ignore[arg-type]

    with pytest.raises((ValueError, TypeError)):
        StrategySheet(**right | changes)  # type: ignore[arg-type]


def test_page_when_read_then_it_shows_every_parameter_with_default_and_meaning() -> None:
    """docs/STRATEGIES.md says what the files say."""
    page = (OWN_FOLDER.parents[2] / "docs" / "STRATEGIES.md").read_text(encoding="utf-8")
    rows = [
        f"| `{row.name}` | {row.value} | {row.meaning} |"
        for found in find_strategies(())
        if found.sheet is not None
        for row in parameters_of(found.sheet)
    ]

    assert rows
    assert [row for row in rows if row not in page] == []
