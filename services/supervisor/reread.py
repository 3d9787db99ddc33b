"""Re-reading the service table: what changed is applied, everything else is left alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.supervisor.context import Context, Roster
from services.supervisor.member import After, Ask, Member
from services.supervisor.row_mark import mark_of
from services.supervisor.starter import Starter
from services.supervisor.stopper import Stopper
from services.supervisor.table import Defaults, ServiceSpec, load_table, table_text
from shared.errors import ConfigFault
from shared.models.health import Phase
from shared.telemetry.logs import log_event

LAST_GOOD = "services.last.toml"
"""Copy of the last table that was good, in state/run."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """Names of rows that are new, that differ so that a restart is due, and that are gone."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    fresh: Mapping[str, ServiceSpec]
    """Every row of the file."""


def load_launch_table(context: Context) -> tuple[ServiceSpec, ...]:
    """Read the table of this run; raises ConfigFault."""
    launch = context.launch
    defaults = Defaults(launch.max_failures, launch.window_s)
    return load_table(Path(launch.services_file), launch.mode, defaults)


def first_table(context: Context) -> tuple[ServiceSpec, ...]:
    """Read the table at the start of a supervisor, and keep a copy of a good one.

    A table that was broken after the run began must not end supervision when the supervisor is
    restarted: then the copy rules. Raises ConfigFault when there is none either.
    """
    launch = context.launch
    copy = launch.state.run / LAST_GOOD
    try:
        return _good_table(context)
    except ConfigFault as fault:
        if not copy.exists():
            raise
        log_event(context.logger, "table_refused", str(fault), level=logging.ERROR)
        return load_table(copy, launch.mode, Defaults(launch.max_failures, launch.window_s))


def _good_table(context: Context) -> tuple[ServiceSpec, ...]:
    """Read the table and keep a copy of it; raises ConfigFault when it is not good."""
    specs = load_launch_table(context)
    copy = context.launch.state.run / LAST_GOOD
    temporary = copy.with_suffix(".tmp")
    try:
        temporary.write_text(table_text(Path(context.launch.services_file)), "utf-8")
        temporary.replace(copy)
    except (OSError, ConfigFault) as fault:
        log_event(context.logger, "table_not_copied", str(fault), level=logging.WARNING)
    return specs


class Reread:
    """Compares the file with what runs, and applies the difference."""

    def __init__(
        self, context: Context, roster: Roster, starter: Starter, stopper: Stopper
    ) -> None:
        self._context = context
        self._roster = roster
        self._starter = starter
        self._stopper = stopper
        self._leaving: set[str] = set()

    def compare(self) -> TableChange:
        """Read the file and say what differs; policy-only changes are applied at once.

        Raises ConfigFault with every fault of the file; nothing is applied then.
        """
        fresh = {spec.name: spec for spec in _good_table(self._context)}
        changed = []
        for member in self._roster:
            spec = fresh.get(member.name)
            if spec is None:
                continue
            if member.name in self._leaving or _needs_restart(member, spec):
                changed.append(member.name)
            else:
                member.spec = spec
        self._starter.poke()
        added = tuple(name for name in fresh if self._roster.get(name) is None)
        removed = tuple(member.name for member in self._roster if member.name not in fresh)
        return TableChange(added, tuple(changed), removed, fresh)

    def apply(self) -> None:
        """Apply the whole file: SIGHUP. A broken file changes nothing and is logged."""
        try:
            change = self.compare()
        except ConfigFault as fault:
            message = f"the service table is kept as it was: {fault}"
            log_event(self._context.logger, "table_refused", message, level=logging.ERROR)
            return
        told = f"added {change.added}, changed {change.changed}, removed {change.removed}"
        log_event(self._context.logger, "table_reread", told)
        for name in change.removed:
            member = self._roster.get(name)
            if member is not None:
                self._leaving.add(name)
                self._stopper.ask(member, Ask("taken out of the service table"))
        for name in change.changed:
            member = self._roster.get(name)
            if member is not None:
                member.spec = change.fresh[name]
                member.row = mark_of(member.spec)
                is_back = name in self._leaving
                self._leaving.discard(name)
                if (member.wanted or is_back) and member.park is None:
                    self._stopper.ask(member, Ask("its row was changed", After.START_AGAIN))
        for name in change.added:
            self._take_in(change.fresh[name])
        self._start(change.added)
        self._context.loop.call_later(0.1, self._forget_leavers)

    def _forget_leavers(self) -> None:
        for name in tuple(self._leaving):
            member = self._roster.get(name)
            if member is not None and member.process is None:
                self.remove(member)
                self._leaving.discard(name)
        if self._leaving and not self._context.stopping:
            self._context.loop.call_later(0.1, self._forget_leavers)

    def add(self, name: str) -> bool:
        """Take in one row of the file and start it; False when there is none or it runs."""
        if self._roster.get(name) is not None:
            return False
        for spec in load_launch_table(self._context):
            if spec.name == name:
                self._take_in(spec)
                self._start((name,))
                return True
        return False

    def _start(self, added: Sequence[str]) -> None:
        """Start whom all needs allow it, once all are there."""
        for name in added:
            member = self._roster.get(name)
            if member is not None:
                self._starter.try_start(member)
        self._starter.poke()

    def _take_in(self, spec: ServiceSpec) -> None:
        """Add a member that may be started; one that was parked before is parked still."""
        member = self._roster.add(spec)
        member.park = self._context.tally.of(spec.name).parked
        if member.park is not None:
            member.phase, member.phase_reason = Phase.PARKED, f"parked: {member.park.reason}"
        self._context.changed()

    def remove(self, member: Member) -> None:
        """Forget a member that is down.

        Its deaths and its park are remembered, in case the row comes back; that it was stopped
        is not: who puts a row into the table wants it to run.
        """
        self._context.tally.let_go(member.name)
        self._context.tally.save()
        member.cancel_timer()
        if member.socket is not None:
            member.socket.close(self._context.loop)
        self._context.records.remove(member.name)
        self._roster.remove(member.name)
        self._context.changed()


def _needs_restart(member: Member, new: ServiceSpec) -> bool:
    """Whether the process itself must be started anew, not only be judged by other rules.

    What counts is the row that it runs with; the table may have been edited before we began.
    """
    runs_with = mark_of(member.spec) if member.process is None else member.row
    return runs_with != mark_of(new)
