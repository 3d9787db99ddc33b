"""Durable state commit: ours beside the least that any durable file replacement costs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.clock import SystemClock
from shared.config.paths import StatePaths
from shared.persistence.state_store import StateStore
from tests.bench.frame import Row, interleaved, median

COMMITS = 300
RATIO_MAX = 1.3


def payload_of(positions: int) -> dict[str, Any]:
    """Return a state payload with that many positions."""
    row = {
        "qty": "17",
        "entry_price": "187.2300",
        "opened_at": "2026-11-20T15:31:00+00:00",
        "strategy": "momentum",
        "stop_price": "184.10",
        "target_price": "193.49",
    }
    held = {f"S{number:05d}": {"symbol": f"S{number:05d}", **row} for number in range(positions)}
    return {"mode": "sim", "account_id": "bench", "id_epoch": "00000000", "positions": held}


def raw_commit(folder: Path, payload: dict[str, Any]) -> None:
    """Serialise, write, fsync, rename, fsync the folder: the reference of the design."""
    data = json.dumps(payload, separators=(",", ":")).encode()
    temporary = folder / "raw.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, data)
    os.fsync(descriptor)
    os.close(descriptor)
    temporary.rename(folder / "raw.json")
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(directory)
    os.close(directory)


def rows() -> Iterator[Row]:
    """Measure small and large states in turn with the reference."""
    for positions in (10, 1000):
        with tempfile.TemporaryDirectory(dir=Path.cwd() / "build") as name:
            folder = Path(name)
            payload = payload_of(positions)
            store = StateStore(StatePaths(folder), SystemClock())
            store.load()
            store.set_aside("sim", "bench")
            store.commit(payload)
            ours, theirs = interleaved(
                lambda store=store, payload=payload: store.commit(payload),  # type: ignore[misc]
                lambda folder=folder, payload=payload: raw_commit(folder, payload),  # type: ignore[misc]
                COMMITS,
            )
        yield Row(
            name=f"durable state commit, {positions} positions",
            unit="ms",
            measured=median(ours) * 1e3,
            bound=RATIO_MAX,
            reference_name="write+fsync+rename+fsync of the folder",
            reference=median(theirs) * 1e3,
        )
