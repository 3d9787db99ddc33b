"""Which strategies there are, as the settings see them: by file, without running one.

A strategy is a file of its own, named as the strategy; a line `REWARD_RISK = Decimal("2.0")` at
its top says how far its targets lie. STRATEGIES names our own files, `folder:PATH` for every
file of a folder, and `plugin:NAME` for an installed entry point, which the bot alone can judge.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from shared.config import parsers as p
from shared.config.parsers import WrongValue

FOLDER, PLUGIN = "folder:", "plugin:"
OWN_FOLDER = Path(__file__).resolve().parents[2] / "services" / "trading_bot" / "strategies"
_REWARD_RISK = re.compile(
    r"^REWARD_RISK[^=\n]*=\s*(?:Decimal\()?\s*[\"'](\d{1,4}(?:\.\d{1,6})?)[\"']", re.MULTILINE
)
_FILE_CHARACTERS_MAX = 1_000_000
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")


def strategy_files(folder: Path) -> dict[str, Path]:
    """Return the strategy files of a folder by name; empty when there is no such folder."""
    found = {path.stem: path for path in sorted(folder.glob("*.py"))}
    return {name: path for name, path in found.items() if not name.startswith("_")}


OWN_STRATEGIES = tuple(strategy_files(OWN_FOLDER))


def files_of(words: tuple[str, ...]) -> dict[str, Path]:
    """Return name and file of every strategy that these words of STRATEGIES name by file."""
    own, found = strategy_files(OWN_FOLDER), {}
    for word in words:
        if word.startswith(FOLDER):
            found.update(strategy_files(Path(word.removeprefix(FOLDER))))
        elif word in own:
            found[word] = own[word]
    return found


def reward_risk_of(path: Path) -> Decimal | None:
    """Return the reward/risk that a file says at its top, None when it says none in plain text."""
    try:
        with path.open(encoding="utf-8") as file:
            found = _REWARD_RISK.search(file.read(_FILE_CHARACTERS_MAX))
    except (OSError, UnicodeError):
        return None
    return Decimal(found.group(1)) if found else None


def strategy_words(text: object) -> tuple[str, ...]:
    """Parse STRATEGIES; paths become absolute, all other words small."""
    chosen = tuple(_folder(item) if _is_folder(item) else item.lower() for item in p.listed(text))
    unknown = [word for word in chosen if not _is_known(word)]
    if unknown or not chosen:
        raise WrongValue(
            f"names unknown {', '.join(unknown)}" if unknown else "names nothing",
            f"Write, separated by commas, some of {', '.join(OWN_STRATEGIES)}, folder:PATH or "
            "plugin:NAME",
        )
    return chosen


def _is_folder(item: str) -> bool:
    return item.lower().startswith(FOLDER)


def _is_known(word: str) -> bool:
    if word.startswith(PLUGIN):
        return bool(_WORD.fullmatch(word.removeprefix(PLUGIN)))
    return word.startswith(FOLDER) or word in OWN_STRATEGIES


def _folder(item: str) -> str:
    folder = p.path(item[len(FOLDER) :])
    if not strategy_files(folder):
        raise WrongValue(
            f"names {folder.name}, where no strategy lies",
            "Name a folder that holds at least one strategy file",
        )
    return f"{FOLDER}{folder}"
