"""Where the text of the settings comes from: options, then the environment, then `.env`.

Judges what a typed model cannot see: whether the file may be read by others, whether its lines
are lines, and whether a name is one of ours or a misspelt one. A value is never shown here,
because a misspelt name may well hold a secret.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream

from shared.config.faults import SettingFault
from shared.config.fields import ALIASES, KNOWN_NAMES, SECRETS

ENV_FILE_VARIABLE = "SHT_ENV_FILE"
"""Internal: the path of the .env file in use, empty for none; set for child processes."""

REPOSITORY = Path(__file__).resolve().parents[2]
ENV_FILE_BYTES_MAX = 1_000_000
_INTERNAL_PREFIX = "SHT_"
_PREFIXES = (
    "ADOPT_", "ALERT_", "ALLOW_SHORT", "ALPACA_", "APCA_", "CHAOS_", "DAILY_LOSS_", "DASHBOARD_",
    "EXIT_AT_", "HEARTBEAT_", "MAX_CONCENTRATION", "MAX_DRAWDOWN", "MAX_NOTIONAL", "MAX_OPEN_",
    "MAX_PORTFOLIO", "MAX_POSITION", "MAX_PRICE_", "MIN_COOLDOWN", "MIN_REWARD", "PORTFOLIO_",
    "POSITION_", "RISK_PER_", "SERVICE_FAILURE", "SERVICE_MAX_", "SIM_", "STOP_ATR", "TELEGRAM_",
    "TRADING_", "UW_",
)  # fmt: skip
_OTHER_NAMES = {
    "APCA_API_BASE_URL": "ALPACA_TRADING_URL",
    "ALPACA_BASE_URL": "ALPACA_TRADING_URL",
    "ALPACA_API_KEY_ID": "APCA_API_KEY_ID",
    "ALPACA_API_SECRET_KEY": "APCA_API_SECRET_KEY",  # nosec B105 # a name, no secret
    "MODE": "TRADING_MODE",
    "UW_API_KEY": "UW_API_TOKEN",
}
_CLOSE = 0.75
_VERY_CLOSE = 0.9
_LONG_NAME = 10


@dataclass(slots=True)
class Gathered:
    """The text of every setting that is set, under its first name, and the faults on the way."""

    values: dict[str, str] = field(default_factory=dict)
    faults: list[SettingFault] = field(default_factory=list)

    def secrets(self) -> tuple[str, ...]:
        """The secret values among them, the items of lists too."""
        found = [self.values[name] for name in SECRETS if name in self.values]
        return tuple(found) + tuple(item for text in found for item in re.split(r"[,\s]+", text))


def gather(
    environ: Mapping[str, str], env_file: Path | None, overrides: Mapping[str, str]
) -> Gathered:
    """Return the settings as text. An empty value means: not set, use the default.

    `env_file` None means the file that SHT_ENV_FILE names, else `.env` beside
    deploy_supervisor.py when there is one.
    """
    gathered = Gathered()
    layers = [
        _first_names(_read_env_file(env_file, environ, gathered.faults), gathered.faults),
        _first_names(_ours(environ, gathered.faults), gathered.faults),
        dict(overrides),
    ]
    for layer in layers:
        gathered.values.update(layer)
    for name, value in list(gathered.values.items()):
        if not value:
            del gathered.values[name]
        elif not value.isprintable():
            del gathered.values[name]
            problem = "holds a line break or another control character"
            gathered.faults.append(
                SettingFault(name, None, problem, "Write it on one line; look for a missing quote")
            )
    return gathered


def _ours(environ: Mapping[str, str], faults: list[SettingFault]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in environ.items():
        if name in KNOWN_NAMES:
            found[name] = value.strip()
        elif not name.startswith(_INTERNAL_PREFIX) and _looks_like_ours(name):
            faults.append(_unknown(name, "is no setting", "unset it"))
    return found


def _looks_like_ours(name: str) -> bool:
    if name.startswith(_PREFIXES):
        return True
    return len(name) >= _LONG_NAME and bool(
        difflib.get_close_matches(name, KNOWN_NAMES, n=1, cutoff=_VERY_CLOSE)
    )


def _unknown(name: str, problem: str, else_do: str) -> SettingFault:
    meant = suggestion(name)
    mend = f"Did you mean {meant}? Else {else_do}" if meant else else_do.capitalize()
    return SettingFault(name, None, problem, mend)


def suggestion(name: str) -> str | None:
    """Return the setting that a misspelt name most likely means, None when nothing is near."""
    upper = name.upper()
    if upper in KNOWN_NAMES:
        return upper
    if upper in _OTHER_NAMES:
        return _OTHER_NAMES[upper]
    near = difflib.get_close_matches(upper, sorted(KNOWN_NAMES), n=1, cutoff=_CLOSE)
    return near[0] if near else None


def _first_names(found: Mapping[str, str], faults: list[SettingFault]) -> dict[str, str]:
    """Put aliases under the first name of their setting."""
    values = {name: value for name, value in found.items() if name not in ALIASES}
    for alias, name in ALIASES.items():
        value = found.get(alias, "")
        if value and values.get(name, value) not in (value, ""):
            problem = f"is set, and {name} too, to something else"
            faults.append(SettingFault(alias, None, problem, "Set one of the two"))
        elif value or (alias in found and name not in values):
            values[name] = value
    return values


def _read_env_file(
    env_file: Path | None, environ: Mapping[str, str], faults: list[SettingFault]
) -> dict[str, str]:
    named = environ.get(ENV_FILE_VARIABLE)
    if env_file is None and named == "":
        return {}
    path = env_file or Path(named or REPOSITORY / ".env")
    must_exist = env_file is not None or bool(named) or path.is_symlink()
    try:
        text, permissions = _text_of(path)
    except FileNotFoundError:
        if must_exist:
            faults.append(_file_fault(path, "does not exist", "Create it or name another one"))
        return {}
    except (OSError, ValueError) as failure:
        problem = failure.strerror if isinstance(failure, OSError) else str(failure)
        mend = "Make it a text file that this user can read"
        faults.append(_file_fault(path, f"cannot be read ({problem})", mend))
        return {}
    values = _lines_of(path, text, faults)
    holds_secret = any(values.get(name) for name in SECRETS | frozenset(ALIASES))
    if holds_secret and permissions & 0o077:
        problem = f"holds secrets and may be read by others (mode {permissions:04o})"
        faults.append(_file_fault(path, problem, f"Run: chmod 600 {path.name}"))
    return values


def _file_fault(path: Path, problem: str, mend: str) -> SettingFault:
    return SettingFault(path.name, None, problem, mend)


def _text_of(path: Path) -> tuple[str, int]:
    """Return the file's text and permission bits; OSError or ValueError when it has none."""
    # O_NONBLOCK: opening a pipe that was put there by mistake must not wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        raw = file.read(ENV_FILE_BYTES_MAX + 1)
    if len(raw) > ENV_FILE_BYTES_MAX:
        raise ValueError(f"larger than {ENV_FILE_BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8-sig"), stat.S_IMODE(status.st_mode)
    except UnicodeDecodeError:
        # Its own message would show bytes of the file.
        raise ValueError("not UTF-8 text") from None


def _lines_of(path: Path, text: str, faults: list[SettingFault]) -> dict[str, str]:
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        # The parser counts a binding from the blank lines before it.
        before = binding.original.string
        number = binding.original.line + before[: len(before) - len(before.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            where = f"{path.name} line {number}"
            faults.append(SettingFault(where, None, "is not NAME=value", "Write it so, or # first"))
            continue
        if binding.key is None or binding.value is None:
            continue
        problem = _name_fault(binding.key, values)
        if problem is not None:
            faults.append(_fault_of_line(path, number, binding.key, problem))
        else:
            values[binding.key] = binding.value.strip()
    return values


def _name_fault(name: str, earlier: Mapping[str, str]) -> str | None:
    if name in earlier:
        return "stands there twice"
    return None if name in KNOWN_NAMES else "is no setting"


def _fault_of_line(path: Path, number: int, name: str, problem: str) -> SettingFault:
    where = f"{path.name} line {number}"
    is_name = re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", name) or suggestion(name)
    if not is_name:
        # A key pasted on a line of its own can look like NAME=; it must not be repeated.
        return SettingFault(where, None, f"its name {problem}", "Take the line out")
    fault = _unknown(name, problem, "take the line out")
    mend = "Keep one of them" if name in KNOWN_NAMES else fault.mend
    return SettingFault(f"{where}, {name}", None, problem, mend)
