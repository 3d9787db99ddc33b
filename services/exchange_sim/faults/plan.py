"""Which fault acts: given the switched ones, their tallies, the occasion and the time. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from urllib.parse import parse_qs

from services.exchange_sim.faults.fault import Fault, Occasion, Scope, Tally
from services.exchange_sim.faults.kinds import Stage
from services.exchange_sim.naming import seeded_fraction

_UNTOUCHED = Tally()


def is_live(fault: Fault, tally: Tally, now_s: float) -> bool:
    """Whether the lease runs and the fault has not acted often enough yet."""
    spent = fault.times is not None and tally.acted >= fault.times
    return fault.begins_s <= now_s < fault.ends_s and not spent


def concerns(scope: Scope, occasion: Occasion) -> bool:
    """Whether the occasion lies in the scope."""
    return (
        (scope.dialect is None or scope.dialect == occasion.dialect)
        and (scope.method is None or scope.method == occasion.method)
        and (scope.endpoint is None or fnmatchcase(occasion.endpoint, scope.endpoint))
        and (scope.symbol is None or scope.symbol in occasion.symbols)
        and (scope.process is None or scope.process in occasion.process)
    )


def chance(fault: Fault, turn: int) -> float:
    """Return the seeded number in 0..1 that the fault draws at its `turn`-th occasion."""
    return seeded_fraction("fault", fault.seed, fault.kind, turn)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided: the faults that act, in the order of their switching on."""

    acting: tuple[Fault, ...]
    tallies: Mapping[str, Tally]
    """New tallies of the faults that met the occasion; `acted` is left to the effect."""


def choose(
    faults: Iterable[Fault],
    tallies: Mapping[str, Tally],
    occasion: Occasion,
    now_s: float,
    stage: Stage,
) -> Choice:
    """Decide which of the faults of one stage act on an occasion."""
    acting: list[Fault] = []
    met: dict[str, Tally] = {}
    for fault in faults:
        tally = tallies.get(fault.id, _UNTOUCHED)
        if fault.row.stage is not stage or not is_live(fault, tally, now_s):
            continue
        if not concerns(fault.scope, occasion):
            continue
        met[fault.id] = replace(tally, seen=tally.seen + 1)
        if chance(fault, tally.seen) < fault.probability:
            acting.append(fault)
    return Choice(tuple(acting), met)


_STREAM_PATHS = {"/stream": "trading_stream", "/socket": "uw_stream"}
_DATA_PATHS = ("/v2/stocks", "/v1beta1", "/v1beta3")


def dialect_of(path: str, *, is_stream: bool) -> str:
    """Return which of the vendors' surfaces a path belongs to."""
    if is_stream:
        known = _STREAM_PATHS.get(path.rstrip("/"))
        if known is not None:
            return known
        return "uw_stream" if path.startswith("/api/socket") else "data_stream"
    if path.startswith("/api/"):
        return "uw"
    return "data" if path.startswith(_DATA_PATHS) else "trading"


def symbols_of(
    path: str, query: str, body: bytes, symbol_of_order: Callable[[str], str | None]
) -> frozenset[str]:
    """Return every symbol that a request names: in its path, query, body, or by its order."""
    found: set[str] = set()
    for part in path.split("/"):
        found.add(part.upper())
        found.add(symbol_of_order(part) or "")
    words = parse_qs(query)
    for name in ("symbols", "symbol", "ticker_symbol"):
        for text in words.get(name, []):
            found.update(word.strip().upper() for word in text.split(","))
    found.add(_symbol_of_body(body))
    return frozenset(found - {""})


def _symbol_of_body(body: bytes) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    symbol = document.get("symbol") if isinstance(document, dict) else None
    return symbol.upper() if isinstance(symbol, str) else ""
