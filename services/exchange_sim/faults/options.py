"""Faults of the command line and the environment: JSON, or `KIND lease_s=30 NAME=VALUE ...`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from services.exchange_sim.faults.kinds import KINDS
from services.exchange_sim.faults.reading import BadFault, FaultRequest, read_fault
from shared.errors import ConfigFault

FAULTS_VARIABLE = "SHT_EXCHANGE_FAULTS"
"""Faults in the environment, one a line."""
_SCOPE_WORDS = ("process", "dialect", "endpoint", "method", "symbol")


def faults_asked(options: Iterable[str], environ: Mapping[str, str]) -> tuple[FaultRequest, ...]:
    """Return the faults that a start asks for; raises ConfigFault telling what is wrong."""
    lines = [("--fault", text) for text in options]
    lines += [(FAULTS_VARIABLE, text) for text in environ.get(FAULTS_VARIABLE, "").splitlines()]
    asked: list[FaultRequest] = []
    for origin, text in lines:
        if not text.strip():
            continue
        try:
            asked.append(read_fault(_document(text)))
        except BadFault as bad:
            raise ConfigFault(f"{origin}: {bad}") from None
        except ValueError as failure:
            raise ConfigFault(f"{origin} {text[:80]!r}: {failure}") from None
    return tuple(asked)


def _document(text: str) -> Mapping[str, object]:
    if text.lstrip().startswith("{"):
        try:
            document: Mapping[str, object] = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("is no JSON; write an object, or KIND lease_s=30 ...") from None
        return document
    kind, *words = text.split()
    parameters: dict[str, object] = {}
    scope: dict[str, object] = {}
    document = {"kind": kind, "parameters": parameters, "scope": scope}
    own = KINDS[kind].parameters if kind in KINDS else {}
    rest: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r}: write NAME=VALUE")
        if name in own:
            parameters[name] = _number_or_word(value)
        elif name in _SCOPE_WORDS:
            scope[name] = value
        else:
            rest[name] = _number_or_word(value)
    return {**document, **rest}


def _number_or_word(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
