"""A strategy that misbehaves is switched off and shown; the others go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.trading_bot.brain import ward as ward_module
from services.trading_bot.brain.discovery import find_strategies
from services.trading_bot.brain.port import ExitingStrategy
from services.trading_bot.brain.roster import make_strategies
from services.trading_bot.brain.trial_market import Moment
from services.trading_bot.brain.ward import STRIKES_MAX, Ward, rows_of, switched_off
from shared.errors import ConfigFault
from shared.models.limits import Limits
from shared.models.market import CandleBuffer
from tests.support.wicked_strategies import DEEDS, HONEST, LOADING, forget_modules, write_strategy

pytestmark = pytest.mark.integration

WARM = Moment(60)
SLOW = {"never_returns", "swallows_everything", "swallows_the_limit", "sleeps", "burns"}


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    """Loaded files leave no module behind for the next test."""
    yield
    forget_modules()


def make(folder: Path, *others: str) -> dict[str, ExitingStrategy]:
    """Return the strategies of a folder, and others, by name."""
    words = (f"folder:{folder}", *others)
    return {one.name: one for one in make_strategies(words, Limits())}


@pytest.mark.parametrize("name", sorted(DEEDS))
def test_trial_when_a_strategy_misbehaves_then_it_is_off_and_the_others_speak(
    tmp_path: Path, name: str
) -> None:
    """Each misdeed keeps its strategy silent, says why, and harms nobody beside it."""
    write_strategy(tmp_path / "mine", name, DEEDS[name])
    write_strategy(tmp_path / "mine", "honest")

    made = make(tmp_path / "mine", "momentum")

    rows = {row.name: row for row in rows_of(made.values())}
    assert not rows[name].is_on
    assert rows[name].reason.startswith("fails its trial")
    assert name in switched_off(made.values())
    assert made[name].decide(WARM.snapshot(), WARM.portfolio()) == ()
    assert rows["honest"].is_on
    assert rows["momentum"].is_on
    assert [s.symbol for s in made["honest"].decide(WARM.snapshot(), WARM.portfolio())] == ["RISE"]
    assert made["momentum"].decide(WARM.snapshot(), WARM.portfolio())


@pytest.mark.parametrize("name", sorted(LOADING))
def test_discovery_when_a_file_cannot_be_loaded_then_it_is_off_and_the_others_speak(
    tmp_path: Path, name: str
) -> None:
    """A file that throws, ends the process or holds no sheet is one strategy less, no more."""
    write_strategy(tmp_path / "mine", "honest")
    (tmp_path / "mine" / f"{name}.py").write_text(LOADING[name], encoding="utf-8")

    rows = {row.name: row for row in rows_of(make(tmp_path / "mine").values())}

    assert (rows[name].is_on, rows["honest"].is_on) == (False, True)
    assert "cannot be loaded" in rows[name].reason


def test_discovery_when_a_name_is_doubled_or_unknown_then_a_fault_of_the_settings(
    tmp_path: Path,
) -> None:
    """Two strategies of one name, and a plugin that is not installed, end the start with 78."""
    write_strategy(tmp_path / "mine", "momentum")

    with pytest.raises(ConfigFault, match="cannot tell apart: momentum, momentum"):
        find_strategies((f"folder:{tmp_path / 'mine'}", "momentum"))
    write_strategy(tmp_path / "near", "mean_reversal")
    with pytest.raises(ConfigFault, match="mean_reversal, mean_reversion"):
        find_strategies((f"folder:{tmp_path / 'near'}", "mean_reversion"))
    with pytest.raises(ConfigFault, match="plugin:nobody"):
        find_strategies(("plugin:nobody",))
    write_strategy(tmp_path / "foreign", "external")
    with pytest.raises(ConfigFault, match="the shares that are not ours"):
        find_strategies((f"folder:{tmp_path / 'foreign'}",))


def test_discovery_when_a_plugin_is_installed_then_its_entry_point_is_found(
    tmp_path: Path,
) -> None:
    """An installed package names its sheet in the group self_healing_trader.strategies."""
    write_strategy(tmp_path, "elsewhere")
    metadata = tmp_path / "elsewhere-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[self_healing_trader.strategies]\nelsewhere = elsewhere:STRATEGY\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        (found,) = find_strategies(("plugin:elsewhere",))
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("elsewhere", None)

    assert found.sheet is not None
    assert (found.name, found.is_foreign) == ("elsewhere", True)


def test_start_when_a_plugin_can_never_reach_the_minimum_then_a_fault_of_the_settings(
    tmp_path: Path,
) -> None:
    """What the settings cannot read, the bot judges at its start: strategy, value and mend."""
    path = write_strategy(tmp_path / "mine", "modest")
    text = path.read_text(encoding="utf-8").replace('Decimal("2.0")', "Decimal(4) / 3")
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigFault, match=r"MIN_REWARD_RISK=1\.5.*modest sets 1\.33.*Lower it"):
        make(tmp_path / "mine")


RUN_TIME = """
        if len(snapshot.buffers) == 4:
            return [signal(snapshot)]
"""


@pytest.mark.parametrize("name", sorted(set(DEEDS) - SLOW - {"draws_lots", "counts_questions"}))
def test_ward_when_a_strategy_turns_wicked_at_work_then_it_is_off_after_some_faults(
    tmp_path: Path, name: str
) -> None:
    """Who stood the trial and fails later is dropped after so many faults; nothing is raised."""
    write_strategy(tmp_path / "mine", name, RUN_TIME + DEEDS[name])
    (strategy,) = make(tmp_path / "mine").values()
    assert isinstance(strategy, Ward)
    assert strategy.is_on
    whole = WARM.snapshot()
    less = replace(whole, buffers={k: v for k, v in whole.buffers.items() if k != "STILL"})
    before = {symbol: tuple(buffer) for symbol, buffer in less.buffers.items()}

    answers = [strategy.decide(less, WARM.portfolio()) for _ in range(STRIKES_MAX + 1)]

    assert {symbol: tuple(buffer) for symbol, buffer in less.buffers.items()} == before
    if name == "changes_bars":
        return
    assert answers == [()] * (STRIKES_MAX + 1)
    assert not strategy.is_on
    assert strategy.row.strikes == STRIKES_MAX


def test_ward_when_faults_lie_far_apart_then_they_are_forgiven(tmp_path: Path) -> None:
    """Many sound answers in a row clear the count; a strategy is not dropped for old faults."""
    deed = "        if 'SWING' not in snapshot.buffers: raise KeyError('SWING')\n" + HONEST
    write_strategy(tmp_path / "mine", "moody", deed)
    (strategy,) = make(tmp_path / "mine").values()
    assert isinstance(strategy, Ward)
    whole = WARM.snapshot()
    less = replace(whole, buffers={"RISE": whole.buffers["RISE"]})

    for _ in range(2):
        for _ in range(STRIKES_MAX - 1):
            strategy.decide(less, WARM.portfolio())
        for _ in range(ward_module.FORGIVEN_AFTER):
            strategy.decide(whole, WARM.portfolio())

    assert (strategy.is_on, strategy.row.strikes) == (True, 0)


def test_ward_when_exit_reason_throws_then_the_position_is_kept(tmp_path: Path) -> None:
    """A strategy that cannot say why to leave leaves nothing; the broker's stop remains."""
    deed = (
        f"{HONEST}\n    def exit_reason(self, position, buffer, now):\n"
        "        return None if buffer.capacity == 120 else {}['nothing']"
    )
    write_strategy(tmp_path / "mine", "leaver", deed)
    (strategy,) = make(tmp_path / "mine").values()
    position, other = WARM.position(), CandleBuffer("SWING", 60, 30)

    assert [strategy.exit_reason(position, other, WARM.now) for _ in range(STRIKES_MAX)] == (
        [None] * STRIKES_MAX
    )
    assert not rows_of([strategy])[0].is_on


def test_ward_when_its_reason_is_an_heir_of_words_then_it_is_a_fault(tmp_path: Path) -> None:
    """Words that may do anything when they are cut or joined are no reason to leave."""
    deed = (
        f"{HONEST}\n    def exit_reason(self, position, buffer, now):\n"
        "        class Words(str): __getitem__ = lambda self, part: 5\n"
        "        return None if buffer.capacity == 120 else Words('out')"
    )
    write_strategy(tmp_path / "mine", "poet", deed)
    (strategy,) = make(tmp_path / "mine").values()

    reason = strategy.exit_reason(WARM.position(), CandleBuffer("SWING", 60, 30), WARM.now)

    assert reason is None
    assert "exit_reason with Words" in rows_of([strategy])[0].reason


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("exit_rules = property(lambda self: 1 / 0)", "ZeroDivisionError"),
        ("exit_rules = 5", "no ExitRules"),
        ("exit_rules = type('Heir', (ExitRules,), {})()", "no ExitRules"),
        ("name = 'another'", "calls itself 'another'"),
        ("exit_reason = property(lambda self: 1 / 0)", "ZeroDivisionError"),
    ],
)
def test_start_when_what_a_strategy_carries_bites_then_it_is_off(
    tmp_path: Path, member: str, words: str
) -> None:
    """Whatever is looked at beside its answers is looked at under guard, too."""
    deed = f"{HONEST}\n    from shared.models.exits import ExitRules\n    {member}"
    write_strategy(tmp_path / "mine", "biting", deed)
    write_strategy(tmp_path / "mine", "honest")

    rows = {row.name: row for row in rows_of(make(tmp_path / "mine").values())}

    assert (rows["biting"].is_on, rows["honest"].is_on) == (False, True)
    assert words in rows["biting"].reason


def test_start_when_it_bites_only_the_third_time_then_it_is_off(tmp_path: Path) -> None:
    """One that is well behaved while it is tried cannot end the start when it is made for good."""
    path = write_strategy(tmp_path / "mine", "patient")
    late = "make=lambda limits: Wicked() if next(ASKED) < 2 else 1 / 0"
    path.write_text(path.read_text().replace("make=lambda limits: Wicked()", late))

    (strategy,) = make(tmp_path / "mine").values()

    assert "cannot be made: ZeroDivisionError" in rows_of([strategy])[0].reason
