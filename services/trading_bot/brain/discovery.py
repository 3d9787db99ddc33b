"""Finds the strategies that STRATEGIES names: our own files, a folder's, installed plugins.

Loading runs foreign code: what throws or hangs there is told as a fault of that one strategy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from services.trading_bot.brain.answers import Junk
from services.trading_bot.brain.black_box import BlackBox
from services.trading_bot.brain.containment import contained
from services.trading_bot.brain.port import StrategySheet
from shared.config.strategy_files import FOLDER, OWN_FOLDER, PLUGIN, strategy_files
from shared.errors import ConfigFault
from shared.models.externals import EXTERNAL
from shared.models.ids import STRATEGY_CHARACTERS

GROUP = "self_healing_trader.strategies"
"""Entry point group; each entry point is a StrategySheet named as the entry point."""
LOAD_BUDGET_S = 2.0
"""Processor time for loading a file: libraries take a while."""
LOAD_LIMIT_S = 10.0
"""Real time for the same: a disk that is asked for the first time takes a while, too."""
_PACKAGE = "services.trading_bot.strategies"
_FOREIGN = "strategy_file_"


@dataclass(frozen=True, slots=True)
class Found:
    """A strategy by name: its sheet, or the fault that kept it from being loaded."""

    name: str
    sheet: StrategySheet | None
    fault: str = ""
    is_foreign: bool = False


def find_strategies(words: Sequence[str], box: BlackBox | None = None) -> tuple[Found, ...]:
    """Return what the words of STRATEGIES name, all of our own without any, sorted by name. What
    the box has switched off is not even loaded.

    Raises ConfigFault for names that nobody has, and for a name that two have.
    """
    own = strategy_files(OWN_FOLDER)
    sources: list[tuple[str, Callable[[], object], bool]] = []
    unknown: list[str] = []
    for word in dict.fromkeys(words or own):
        if word.startswith(FOLDER):
            files = strategy_files(Path(word.removeprefix(FOLDER)))
            sources += [(name, _opener(name, path), True) for name, path in files.items()]
            unknown += [] if files else [word]
        elif word.startswith(PLUGIN):
            name = word.removeprefix(PLUGIN)
            plugins = tuple(entry_points(group=GROUP, name=name))
            sources += [(name, plugin.load, True) for plugin in plugins]
            unknown += [] if plugins else [word]
        elif word in own:
            sources.append((word, _opener(word, own[word]), False))
        else:
            unknown.append(word)
    _refuse(unknown, [name for name, _, _ in sources], own)
    told = box or BlackBox()
    in_order = sorted(sources, key=lambda source: source[0])
    return tuple(_found(name, load, is_foreign, told) for name, load, is_foreign in in_order)


def _refuse(unknown: Sequence[str], names: Sequence[str], own: dict[str, Path]) -> None:
    if unknown:
        known = ", ".join(own)
        raise ConfigFault(
            f"STRATEGIES names unknown {', '.join(sorted(unknown))}; there are: {known}, and what "
            f"a folder or the entry points {GROUP} hold"
        )
    told = [name[:STRATEGY_CHARACTERS] for name in names]
    if EXTERNAL in told:
        raise ConfigFault(
            f"STRATEGIES names a strategy {EXTERNAL}: in order ids that owns the shares that are "
            f"not ours. Give the strategy another name"
        )
    doubled = sorted(name for name in names if told.count(name[:STRATEGY_CHARACTERS]) > 1)
    if doubled:
        raise ConfigFault(
            f"STRATEGIES names two strategies that order ids cannot tell apart: "
            f"{', '.join(doubled)}. Let the first {STRATEGY_CHARACTERS} characters differ"
        )


def _opener(name: str, path: Path) -> Callable[[], object]:
    def load() -> object:
        if path.parent == OWN_FOLDER:
            return getattr(import_module(f"{_PACKAGE}.{name}"), "STRATEGY", None)
        module_name = f"{_FOREIGN}{name}"
        spec = spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path.name} is no module")
        module = module_from_spec(spec)
        # Dataclasses look their module up by name while they are made.
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
        return getattr(module, "STRATEGY", None)

    return load


def _found(name: str, load: Callable[[], object], is_foreign: bool, box: BlackBox) -> Found:
    if name in box.off:
        return Found(name, None, box.off[name], is_foreign)
    with box.speaking(name):
        outcome = contained(lambda: _sheet_of(name, load()), LOAD_BUDGET_S, LOAD_LIMIT_S)
    if outcome.answer is None:
        return Found(name, None, f"cannot be loaded: {outcome.fault}", is_foreign)
    return Found(name, outcome.answer, "", is_foreign)


def _sheet_of(name: str, found: object) -> StrategySheet:
    """Return the sheet, built anew, so that one made past its own checks is caught here."""
    if type(found) is not StrategySheet:
        raise Junk("it has no STRATEGY = StrategySheet(...)")
    sheet = replace(found)
    if sheet.name != name:
        raise Junk(f"its sheet calls it {sheet.name}")
    return sheet
