"""Reads a request for a fault; what it finds wrong it says with field, value and mend. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.exchange_sim.faults.fault import Scope
from services.exchange_sim.faults.kinds import DIALECTS, KINDS, METHODS, Kind, Parameter, Value

LEASE_S_MAX = 86_400.0
TIMES_MAX = 1_000_000_000
_SEED_MAX = 2**63
_SCOPE_WORDS = ("process", "dialect", "endpoint", "method", "symbol")
_WORDS = ("kind", "lease_s", "starts_in_s", "scope", "parameters", "probability", "seed", "times")
_TEXT_MAX = 200


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """A fault as asked for: still without id and lease in boot time."""

    kind: str
    lease_s: float
    starts_in_s: float
    scope: Scope
    parameters: Mapping[str, Value]
    probability: float
    seed: int
    times: int | None


class BadFault(ValueError):
    """The request makes no sense; `problems` holds a row of field, value and mend for each."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        told = "; ".join(f"{row['field']} {row['value']}: {row['mend']}" for row in problems)
        super().__init__(told)
        self.problems = problems


class _Reading:
    """Collects what is wrong, so that everything is told at once."""

    def __init__(self) -> None:
        self.problems: list[dict[str, str]] = []

    def wrong(self, field: str, value: object, mend: str) -> None:
        text = "missing" if value is None else repr(value)[:_TEXT_MAX]
        self.problems.append({"field": field, "value": text, "mend": mend})

    def number(
        self, field: str, value: object, bounds: tuple[float, float], default: float | None = None
    ) -> float:
        if value is None and default is not None:
            return default
        least, most = bounds
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(_float(value)) or not least <= _float(value) <= most:
            self.wrong(field, value, f"write a number from {least:g} to {most:g}")
            return least
        return _float(value)

    def whole(
        self, field: str, value: object, bounds: tuple[int, int], default: int | None
    ) -> int | None:
        if value is None:
            return default
        least, most = bounds
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.wrong(field, value, f"write a whole number from {least} to {most}")
            return least
        return value

    def text(self, field: str, value: object, choices: tuple[Value, ...] = ()) -> str:
        if not isinstance(value, str) or not value or len(value) > _TEXT_MAX:
            self.wrong(field, value, "write a word")
            return ""
        if choices and value not in choices:
            self.wrong(field, value, f"choose one of {', '.join(map(str, choices))}")
        return value

    def table(self, field: str, value: object) -> Mapping[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(field, value, "write an object")
            return {}
        return value

    def known(self, field: str, table: Mapping[str, object], words: tuple[str, ...]) -> None:
        for name in table:
            if name not in words:
                choices = ", ".join(words) or "nothing"
                self.wrong(f"{field}{name}", table[name], f"is not known here; known: {choices}")


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type] # only asked of numbers
    except OverflowError:
        return math.inf


def read_fault(document: Mapping[str, object]) -> FaultRequest:
    """Return the fault that is asked for; raises BadFault with everything that is wrong."""
    reading = _Reading()
    reading.known("", document, _WORDS)
    name = document.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        reading.wrong("kind", name, f"choose one of {', '.join(KINDS)}")
    request = FaultRequest(
        kind=str(name),
        lease_s=reading.number("lease_s", document.get("lease_s"), (0.001, LEASE_S_MAX)),
        starts_in_s=reading.number(
            "starts_in_s", document.get("starts_in_s"), (0.0, LEASE_S_MAX), 0.0
        ),
        scope=_scope(reading, document.get("scope"), kind),
        parameters=_parameters(reading, document.get("parameters"), kind),
        probability=_probability(reading, document.get("probability"), kind),
        seed=reading.whole("seed", document.get("seed"), (0, _SEED_MAX), 0) or 0,
        times=_times(reading, document.get("times"), kind),
    )
    if reading.problems:
        raise BadFault(reading.problems)
    return request


def _probability(reading: _Reading, value: object, kind: Kind | None) -> float:
    always = kind is not None and (kind.lasting or kind.once)
    if always and value not in (None, 1):
        reading.wrong("probability", value, "this fault acts through its whole lease; leave it out")
        return 1.0
    return reading.number("probability", value, (0.0, 1.0), 1.0)


def _times(reading: _Reading, value: object, kind: Kind | None) -> int | None:
    once = kind is not None and kind.once
    if kind is not None and kind.lasting and value is not None:
        reading.wrong("times", value, "this fault acts through its whole lease; leave it out")
        return None
    return reading.whole("times", value, (1, 1 if once else TIMES_MAX), 1 if once else None)


def _scope(reading: _Reading, value: object, kind: Kind | None) -> Scope:
    table = reading.table("scope", value)
    allowed = _SCOPE_WORDS if kind is None else kind.allows
    reading.known("scope.", table, allowed)
    for name in kind.needs if kind is not None else ():
        if table.get(name) is None:
            reading.wrong(f"scope.{name}", None, "this fault must be told whom it concerns")
    choices: dict[str, tuple[Value, ...]] = {"dialect": DIALECTS, "method": METHODS}
    words = {
        name: reading.text(f"scope.{name}", table[name], choices.get(name, ()))
        for name in _SCOPE_WORDS
        if table.get(name) is not None
    }
    if "symbol" in words:
        words["symbol"] = words["symbol"].upper()
    return Scope(**words)


def _parameters(reading: _Reading, value: object, kind: Kind | None) -> dict[str, Value]:
    table = reading.table("parameters", value)
    if kind is None:
        return {}
    reading.known("parameters.", table, tuple(kind.parameters))
    values = {
        name: _value(reading, f"parameters.{name}", table.get(name), row)
        for name, row in kind.parameters.items()
    }
    return {name: value for name, value in values.items() if value is not None}


def _value(reading: _Reading, field: str, value: object, row: Parameter) -> Value | None:
    if value is None and (row.default is not None or row.optional):
        return row.default
    if row.is_number:
        return reading.number(field, value, (row.least or 0.0, row.most or 0.0))
    if not row.choices:
        return reading.text(field, str(value) if isinstance(value, int | float) else value)
    # 429 and "429" are the same word: clients of all languages switch faults.
    for choice in row.choices:
        if not isinstance(value, bool) and str(value) == str(choice):
            return choice
    reading.wrong(field, value, f"choose one of {', '.join(map(str, row.choices))}")
    return None
