"""The service table: services.toml, read whole and validated with every fault named."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.supervisor.plan import dependency_circle
from services.supervisor.restart_policy import RestartRule
from services.supervisor.small_files import text_of_file
from shared.errors import ConfigFault
from shared.health.evidence import BeatRule

TRADING_BOT = "trading-bot"
EXCHANGE_SIM = "exchange-sim"
DASHBOARD = "dashboard"

NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
NAME_LENGTH_MAX = 32
RESERVED_NAMES = frozenset({"supervisor", "guardian"})
OWN_VARIABLES = frozenset(
    {
        "SHT_COOKIE",
        "SHT_SERVICE",
        "SHT_BEAT_S",
        "SHT_ENV_FILE",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "STATE_DIR",
        "LOG_DIR",
        "TRADING_MODE",
    }
)
"""What the supervisor itself tells its services, and knows them by."""
MODES = ("sim", "paper", "live_limited", "live")
TABLE_BYTES_MAX = 1_000_000

Number = int | float


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One row of the table. Times in seconds, memory in bytes."""

    name: str
    command: tuple[str, ...]
    critical: bool
    needs: tuple[str, ...]
    beat: BeatRule
    restart: RestartRule
    stop_s: float
    memory_max_bytes: int | None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Defaults:
    """N and M of the settings, for rows that say nothing themselves."""

    max_failures: int
    window_s: float


_NUMBERS: dict[str, tuple[float, float, float]] = {
    # name: default, smallest, largest
    "ready_s": (30.0, 0.1, 3600.0),
    "beat_s": (1.0, 0.05, 3600.0),
    "watchdog_s": (10.0, 0.2, 36000.0),
    "stop_s": (10.0, 0.1, 600.0),
    "backoff_base_s": (1.0, 0.01, 3600.0),
    "backoff_cap_s": (30.0, 0.01, 3600.0),
    "backoff_jitter": (0.25, 0.0, 1.0),
    "stable_s": (60.0, 0.1, 36000.0),
}
_OPTIONAL_NUMBERS: dict[str, tuple[float, float]] = {
    "max_failures": (1, 1000),
    "window_minutes": (0.001, 100_000),
    "memory_max_mb": (1, 1_000_000),
}
_OTHERS = frozenset({"module", "command", "critical", "notify", "needs", "modes", "environment"})


class _Row:
    """Reads one row and collects its faults."""

    def __init__(self, name: str, row: Mapping[str, Any], faults: list[str]) -> None:
        self._name, self._row, self._faults = name, row, faults
        known = _OTHERS | set(_NUMBERS) | set(_OPTIONAL_NUMBERS)
        for key in sorted(set(row) - known):
            self.fault(key, "is no known key")

    def fault(self, key: str, text: str) -> None:
        self._faults.append(f"service {self._name}: {key} {text}")

    def flag(self, key: str, default: bool) -> bool:
        value = self._row.get(key, default)
        if not isinstance(value, bool):
            self.fault(key, f"is {value!r}, but must be true or false")
            return default
        return value

    def number(self, key: str) -> float:
        default, smallest, largest = _NUMBERS[key]
        value = self._bounded(key, self._row.get(key, default), smallest, largest)
        return default if value is None else float(value)

    def optional_number(self, key: str) -> float | None:
        if key not in self._row:
            return None
        smallest, largest = _OPTIONAL_NUMBERS[key]
        value = self._bounded(key, self._row[key], smallest, largest)
        return None if value is None else float(value)

    def _bounded(self, key: str, value: object, smallest: float, largest: float) -> Number | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, int | float) and is_number and smallest <= value <= largest:
            return value
        self.fault(key, f"is {value!r}, but must be a number from {smallest:g} to {largest:g}")
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._row.get(key, [])
        if isinstance(value, list) and all(_is_text(item) and item for item in value):
            return tuple(value)
        self.fault(key, f"is {value!r}, but must be a list of texts")
        return ()

    def command(self) -> tuple[str, ...]:
        module = self._row.get("module")
        if ("command" in self._row) == (module is not None):
            self.fault("command", "or module: exactly one of the two must be given")
            return ()
        if module is None:
            command = self.texts("command")
            if not command:
                self.fault("command", "must not be empty")
            return command
        if not isinstance(module, str) or not module.replace(".", "_").isidentifier():
            self.fault("module", f"is {module!r}, but must be the name of a Python module")
            return ()
        return (sys.executable, "-m", module)

    def environment(self) -> dict[str, str]:
        value = self._row.get("environment", {})
        if not isinstance(value, dict) or not all(_is_text(text) for text in value.values()):
            self.fault("environment", "must be a table of texts")
            return {}
        for name in value:
            if not name or "=" in name or not _is_text(name):
                self.fault("environment", f"has {name!r}, which cannot be the name of a variable")
            if name in OWN_VARIABLES:
                self.fault("environment", f"has {name}, which is the supervisor's own to set")
        return dict(value)


def _is_text(value: object) -> bool:
    """Whether it is a text that can be handed to a program."""
    return isinstance(value, str) and "\0" not in value


def _spec(name: str, reader: _Row, defaults: Defaults) -> ServiceSpec:
    max_failures = reader.optional_number("max_failures")
    window_minutes = reader.optional_number("window_minutes")
    memory_max_mb = reader.optional_number("memory_max_mb")
    beat = BeatRule(
        notify=reader.flag("notify", True),
        ready_s=reader.number("ready_s"),
        beat_s=reader.number("beat_s"),
        watchdog_s=reader.number("watchdog_s"),
    )
    if beat.watchdog_s <= beat.beat_s:
        reader.fault("watchdog_s", f"is {beat.watchdog_s:g}, but must be above beat_s")
    restart = RestartRule(
        max_failures=defaults.max_failures if max_failures is None else int(max_failures),
        window_s=defaults.window_s if window_minutes is None else window_minutes * 60,
        base_s=reader.number("backoff_base_s"),
        cap_s=reader.number("backoff_cap_s"),
        jitter=reader.number("backoff_jitter"),
        stable_s=reader.number("stable_s"),
    )
    return ServiceSpec(
        name=name,
        command=reader.command(),
        critical=reader.flag("critical", False),
        needs=reader.texts("needs"),
        beat=beat,
        restart=restart,
        stop_s=reader.number("stop_s"),
        memory_max_bytes=None if memory_max_mb is None else int(memory_max_mb * 1024 * 1024),
        environment=reader.environment(),
    )


def parse_table(text: str, mode: str, defaults: Defaults) -> tuple[ServiceSpec, ...]:
    """Return the rows that the mode wants, in the table's order.

    Raises ConfigFault with every fault of the table, rows of other modes included.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise ConfigFault(f"the service table is no TOML: {fault}") from fault
    faults = [f"{key} is no known key" for key in sorted(set(document) - {"service"})]
    rows = document.get("service", {})
    if not isinstance(rows, dict) or not rows:
        raise ConfigFault("\n".join([*faults, "the service table has no [service.NAME] in it"]))
    specs: dict[str, ServiceSpec] = {}
    wanted: list[str] = []
    for name, row in rows.items():
        if not _is_name(name) or not isinstance(row, dict):
            faults.append(f"service {name!r}: the name must be of a-z, 0-9, - and _, and not ours")
            continue
        reader = _Row(name, row, faults)
        specs[name] = _spec(name, reader, defaults)
        if _wanted(reader, mode):
            wanted.append(name)
    faults.extend(_relation_faults(specs.values()))
    if faults:
        raise ConfigFault("\n".join(faults))
    return tuple(_without_absent_needs(specs[name], wanted) for name in wanted)


def _is_name(name: str) -> bool:
    fits = 0 < len(name) <= NAME_LENGTH_MAX and set(name) <= NAME_CHARACTERS
    return fits and name not in RESERVED_NAMES


def _wanted(reader: _Row, mode: str) -> bool:
    modes = reader.texts("modes")
    for unknown in sorted(set(modes) - set(MODES)):
        reader.fault("modes", f"names {unknown!r}, which is no mode of {', '.join(MODES)}")
    return not modes or mode in modes


def _without_absent_needs(spec: ServiceSpec, wanted: list[str]) -> ServiceSpec:
    """Drop needs of another mode: in paper nobody waits for exchange-sim."""
    return replace(spec, needs=tuple(name for name in spec.needs if name in wanted))


def _relation_faults(specs: Iterable[ServiceSpec]) -> list[str]:
    needs = {spec.name: spec.needs for spec in specs}
    faults = [
        f"service {name}: needs {need!r}, which is not in the table"
        for name, names in needs.items()
        for need in names
        if need not in needs
    ]
    circle = dependency_circle(needs)
    if circle:
        faults.append(f"services need each other in a circle: {' -> '.join(circle)}")
    return faults


def table_text(path: Path) -> str:
    """Return the text of a table file; raises ConfigFault when it has none."""
    try:
        return text_of_file(path, TABLE_BYTES_MAX)
    except (OSError, ValueError) as fault:
        why = (fault.strerror or fault) if isinstance(fault, OSError) else fault
        raise ConfigFault(f"{path}: the service table cannot be read: {why}") from fault


def load_table(path: Path, mode: str, defaults: Defaults) -> tuple[ServiceSpec, ...]:
    """Read and validate a table file; raises ConfigFault naming the file and every fault."""
    text = table_text(path)
    try:
        return parse_table(text, mode, defaults)
    except ConfigFault as fault:
        lines = [f"{path}: {line}" for line in str(fault).splitlines()]
        raise ConfigFault("\n".join(lines)) from fault
