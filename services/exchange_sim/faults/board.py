"""The faults that are switched on: leases, tallies, and the file that outlives the process."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from services.exchange_sim.faults.fault import Fault, Occasion, Scope, Tally
from services.exchange_sim.faults.kinds import KINDS, Stage
from services.exchange_sim.faults.plan import choose, is_live
from services.exchange_sim.faults.reading import FaultRequest
from services.exchange_sim.naming import seeded_uuid
from shared.clock import Clock
from shared.errors import TransientFault
from shared.persistence.atomic_file import (
    Missing,
    opened_folder,
    read_document,
    remove_litter,
    write_document,
)
from shared.persistence.file_port import REAL
from shared.persistence.quarantine import move_aside
from shared.telemetry.logs import log_event

logger = logging.getLogger("exchange-sim")
VERSION = 1
HISTORY = 200
"""So many faults stay readable with their counters after their end."""
_BYTES_MAX = 1_000_000
_UNTOUCHED = Tally()


class FaultBoard:
    """Every switched fault. Without one, `active` is False and nobody asks further."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._faults: dict[str, Fault] = {}
        self._tallies: dict[str, Tally] = {}
        self._count = 0
        self._unsaved = False
        self.active = False
        """Whether any lease runs or is still to begin."""
        self.asks_process = False
        """Whether any of them wants to know which process is asking."""
        self._load()

    # --- switching

    def switch_on_asked(self, requests: Sequence[FaultRequest], *, renew: bool) -> None:
        """Begin what a start asks for; without `renew` only what no earlier start has begun."""
        for number, request in enumerate(requests):
            identity = seeded_uuid("asked", self._clock.boot_id(), number, request)
            if renew or identity not in self._faults:
                self.switch_on(request, identity)

    def switch_on(self, request: FaultRequest, identity: str | None = None) -> Fault:
        """Begin a fault and return it; it is on disk before it acts.

        Raises TransientFault when the disk refuses; then nothing was switched.
        """
        now_s = self._clock.boottime_s()
        self._count += 1
        if identity is None:
            identity = seeded_uuid("fault", self._clock.boot_id(), now_s, self._count)
        self._tallies.pop(identity, None)
        begins_s = now_s + request.starts_in_s
        fault = Fault(
            id=identity,
            kind=request.kind,
            begins_s=begins_s,
            ends_s=begins_s + request.lease_s,
            scope=request.scope,
            parameters=request.parameters,
            probability=request.probability,
            seed=request.seed,
            times=request.times,
        )
        self._faults[fault.id] = fault
        try:
            self._save()
        except TransientFault:
            del self._faults[fault.id]
            raise
        self._refresh()
        log_event(logger, "fault_switched_on", f"{fault.kind} for {request.lease_s:g} s")
        return fault

    def switch_off(self, identity: str | None = None) -> list[Fault]:
        """End one fault, or every one, before its lease; return those that were running."""
        now_s = self._clock.boottime_s()
        ended = [
            replace(fault, ends_s=min(fault.ends_s, now_s))
            for fault in self._faults.values()
            if identity in (None, fault.id) and self._is_open(fault)
        ]
        self._faults.update((fault.id, fault) for fault in ended)
        self._unsaved = self._unsaved or bool(ended)
        self._refresh()
        self.flush()
        return ended

    def fault(self, identity: str) -> Fault | None:
        """Return a fault, ended or not, None when nobody knows it."""
        return self._faults.get(identity)

    # --- acting

    def choose(self, stage: Stage, occasion: Occasion) -> tuple[Fault, ...]:
        """Return the faults of a stage that act now; the effect then says `acted`."""
        faults = tuple(self._faults.values())
        now_s = self._clock.boottime_s()
        choice = choose(faults, self._tallies, occasion, now_s, stage)
        self._tallies.update(choice.tallies)
        return choice.acting

    def live(self, stage: Stage) -> tuple[Fault, ...]:
        """Return the faults of a stage whose lease runs, without counting an occasion."""
        return tuple(
            fault
            for fault in self._faults.values()
            if fault.row.stage is stage and self.runs(fault)
        )

    def all_live(self) -> tuple[Fault, ...]:
        """Return every fault whose lease runs."""
        return tuple(fault for fault in self._faults.values() if self.runs(fault))

    def runs(self, fault: Fault) -> bool:
        """Whether a fault's lease runs now."""
        current = self._faults.get(fault.id, fault)
        return is_live(current, self._tally(current), self._clock.boottime_s())

    def acted(self, fault: Fault) -> None:
        """Count that the fault had its effect."""
        tally = self._tally(fault)
        acted = tally.acted + 1
        # A lasting fault meets its occasions by itself: nobody asked whether it acts.
        self._tallies[fault.id] = replace(tally, acted=acted, seen=max(tally.seen, acted))
        self._unsaved = True

    def left_s(self, fault: Fault) -> float:
        """Return how long the fault's lease still runs."""
        current = self._faults.get(fault.id, fault)
        return max(0.0, current.ends_s - self._clock.boottime_s())

    def tick(self) -> None:
        """Let leases end and write new counters down; asked a few times a second."""
        if self.active:
            self._refresh()
        if self._unsaved:
            self.flush()

    def flush(self) -> None:
        """Write what changed; a disk that refuses is told and tried again at the next tick."""
        try:
            self._save()
        except TransientFault as fault:
            log_event(logger, "faults_unsaved", str(fault), level=logging.WARNING)

    # --- reading

    def documents(self) -> list[dict[str, Any]]:
        """Return every fault with its state and counters, oldest first."""
        return [self.document(fault) for fault in self._faults.values()]

    def document(self, fault: Fault) -> dict[str, Any]:
        """Return one fault as the endpoint shows it."""
        current, now_s = self._faults.get(fault.id, fault), self._clock.boottime_s()
        tally = self._tally(current)
        waits = now_s < current.begins_s < current.ends_s
        return {
            "id": current.id,
            "kind": current.kind,
            "state": "running" if self.runs(current) else "waiting" if waits else "ended",
            "acted": tally.acted,
            "seen": tally.seen,
            "left_s": round(self.left_s(current), 3) if self._is_open(current) else 0.0,
            "scope": {name: word for name, word in asdict(current.scope).items() if word},
            "parameters": dict(current.parameters),
            "probability": current.probability,
            "seed": current.seed,
            "times": current.times,
        }

    def _tally(self, fault: Fault) -> Tally:
        return self._tallies.get(fault.id, _UNTOUCHED)

    def _is_open(self, fault: Fault) -> bool:
        spent = fault.times is not None and self._tally(fault).acted >= fault.times
        return self._clock.boottime_s() < fault.ends_s and not spent

    def _refresh(self) -> None:
        open_now = [fault for fault in self._faults.values() if self._is_open(fault)]
        self.active = bool(open_now)
        self.asks_process = any(fault.scope.process is not None for fault in open_now)
        ended = [one.id for one in self._faults.values() if not self._is_open(one)]
        for identity in ended[: max(0, len(self._faults) - HISTORY)]:
            del self._faults[identity]
            self._tallies.pop(identity, None)

    # --- disk

    def _save(self) -> None:
        rows = [
            {**asdict(fault), "parameters": dict(fault.parameters), "tally": asdict(tally)}
            for fault in self._faults.values()
            for tally in (self._tally(fault),)
        ]
        document = {"version": VERSION, "boot_id": self._clock.boot_id(), "faults": rows}
        write_document(self._path, json.dumps(document, separators=(",", ":")).encode())
        self._unsaved = False

    def _load(self) -> None:
        """Take up the leases of the last run; of another boot, all have ended."""
        remove_litter(self._path)
        raw = read_document(self._path, _BYTES_MAX)
        if isinstance(raw, Missing):
            return
        try:
            document = json.loads(raw)
            if document["boot_id"] == self._clock.boot_id():
                for row in document["faults"]:
                    self._take_up(row)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            with opened_folder(self._path.parent, REAL) as folder:
                name = move_aside(folder, self._path.name, self._clock, REAL)
            self._faults, self._tallies = {}, {}
            log_event(logger, "faults_unreadable", f"kept as {name}", level=logging.WARNING)
        self._refresh()

    def _take_up(self, row: dict[str, Any]) -> None:
        tally = Tally(**row.pop("tally"))
        fault = Fault(**{**row, "scope": Scope(**row["scope"])})
        if fault.kind in KINDS:
            self._faults[fault.id], self._tallies[fault.id] = fault, tally


def board_path(database: Path) -> Path:
    """Return where the faults of the exchange with this database are kept."""
    return database.with_name(f"{database.stem}.faults.json")
