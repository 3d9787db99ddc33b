"""Starts services: when their needs are ready, with their own socket, cookie and log file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from services.supervisor.adoption import SERVICE_VARIABLE, Found, ProcessRecord
from services.supervisor.context import Context, Roster
from services.supervisor.member import Member, Voice
from services.supervisor.notify_socket import NotifySocket
from services.supervisor.notify_words import Words
from services.supervisor.plan import Launch as LaunchChoice
from services.supervisor.plan import launch_answer
from services.supervisor.processes import COOKIE, Process, is_program, spawn
from services.supervisor.restart_policy import class_of_exit
from services.supervisor.row_mark import mark_of
from shared.errors import EXIT_CODES, FailureClass
from shared.models.health import ExitClass, Phase
from shared.telemetry.logs import log_event

OUTPUT_BYTES_MAX = 10_000_000
OUTPUTS_KEPT = 5


class Starter:
    """Brings members up; deaths and failed spawns go to the reaper's callbacks."""

    def __init__(self, context: Context, roster: Roster) -> None:
        self._context = context
        self._roster = roster
        self.exited: Callable[[Member], None] = lambda _: None
        """Called when the process of a member has ended."""
        self.spawn_failed: Callable[[Member, str, ExitClass], None] = lambda *_: None
        self.heard: Callable[[Member, Words], None] = lambda *_: None

    def start_all(self) -> None:
        """Start whoever may be started now, needs first."""
        for member in self._roster.in_start_order():
            self.try_start(member)

    def poke(self) -> None:
        """Look again at those who wait for others."""
        for member in self._roster:
            if member.process is None and member.phase is Phase.STARTING:
                self.try_start(member)

    def try_start(self, member: Member) -> None:
        """Start a member if it is wanted, free, and its needs are ready."""
        free = member.process is None and member.timer is None and not member.holds
        free = free and self._roster.get(member.name) is member
        if self._context.stopping or not (free and member.wanted and member.park is None):
            return
        answer = launch_answer(self._roster.needs_of(member))
        member.blocked_for_good = answer.launch is LaunchChoice.BLOCKED
        member.phase, member.phase_reason = Phase.STARTING, answer.reason
        if answer.launch is LaunchChoice.NOW:
            self._start(member)
        self._context.changed()

    def listen(self, member: Member) -> None:
        """Open the member's notify socket, anew where it was removed; raises OSError."""
        if member.socket is not None and not member.socket.is_in_place():
            member.socket.close(self._context.loop)
            member.socket = None
        if member.socket is None and member.spec.beat.notify:
            path = self._context.sockets.notify(member.name)
            member.socket = NotifySocket(path, lambda words, pid: self._words(member, words, pid))
            member.socket.listen(self._context.loop)

    def listen_again(self, member: Member) -> None:
        """See to it that a silent member can be heard; what the disk refuses is logged."""
        try:
            self.listen(member)
        except OSError as fault:
            log_event(self._context.logger, "not_listening", f"{member.name}: {fault}")

    def _words(self, member: Member, words: Words, pid: int) -> None:
        if member.process is not None and pid != member.former_pid:
            self.heard(member, words)

    def _start(self, member: Member) -> None:
        context = self._context
        member.cookie = f"{context.launch.cookie}.{member.name}.{os.urandom(4).hex()}"
        member.voice, member.cut_short, member.asked = Voice(), None, None
        member.adopted, member.row = False, mark_of(member.spec)
        member.started_s, member.started_at = context.now_s(), context.now_text()
        output = context.launch.logs.output(member.name)
        record = self._begun_record(member)
        self.write_record(record)
        try:
            self.listen(member)
            rotate(output, OUTPUT_BYTES_MAX)
            process = spawn(member.spec.command, self._environment(member), output)
        except OSError as fault:
            self._failed(member, fault)
            return
        self.write_record(replace(record, pid=process.pid, start_ticks=process.start_ticks))
        self._hold(member, process)

    def _begun_record(self, member: Member) -> ProcessRecord:
        """Return what is known before the spawn: enough to count a child that nobody saw."""
        return ProcessRecord(
            service=member.name,
            cookie=member.cookie,
            boot_id=self._context.clock.boot_id(),
            started_at=member.started_at or "",
            started_s=member.started_s,
            restarts=member.restarts,
            row=member.row,
        )

    def _hold(self, member: Member, process: Process) -> None:
        member.process = process
        if not member.spec.beat.notify:
            member.phase, member.phase_reason = Phase.RUNNING, "running"
        self._context.loop.add_reader(process.pidfd, self.exited, member)
        # Later: of many starts none need wait for the lines of those before it.
        self._context.later.append(partial(self._tell, member.name, process.pid))

    def _tell(self, name: str, pid: int) -> None:
        log_event(
            self._context.logger,
            "service_started",
            f"{name} started, pid {pid}",
            service_name=name,
            service_pid=pid,
        )

    def _failed(self, member: Member, fault: OSError) -> None:
        program = member.spec.command[0]
        if self._can_run(program, fault, member):
            self.spawn_failed(member, f"cannot be started: {fault}", ExitClass.UNCLASSIFIED)
            return
        code = EXIT_CODES[FailureClass.CONFIG]
        reason = f"cannot be started: {program!r} is missing or not executable"
        self.spawn_failed(member, reason, class_of_exit(code, asked=False))

    def _can_run(self, program: str, fault: OSError, member: Member) -> bool:
        """Whether another try may succeed where this one failed.

        A file that may be executed can still be no program, or lack its interpreter; the kernel
        says of that one what it says of a missing log folder.
        """
        if (
            fault.errno == errno.ENOENT
            and self._context.launch.logs.output(member.name).parent.is_dir()
        ):
            return False
        return is_program(program) and fault.errno != errno.ENOEXEC

    def _environment(self, member: Member) -> dict[str, str]:
        environment = dict(self._context.environment)
        environment[SERVICE_VARIABLE] = member.name
        environment[COOKIE] = member.cookie
        beat = member.spec.beat
        environment["SHT_BEAT_S"] = f"{beat.beat_s:g}"
        if beat.notify:
            environment["NOTIFY_SOCKET"] = str(self._context.sockets.notify(member.name))
            environment["WATCHDOG_USEC"] = str(int(beat.watchdog_s * 1_000_000))
        environment.update(member.spec.environment)
        return environment

    def write_record(self, record: ProcessRecord) -> None:
        """Write a pid file; without it an heir still finds the child by its cookie."""
        try:
            self._context.records.write(record)
        except OSError as fault:
            log_event(self._context.logger, "record_not_written", str(fault))

    def adopt(self, member: Member, found: Found) -> None:
        """Take over a live process of an earlier supervisor."""
        record = found.record
        member.cookie, member.started_at = record.cookie, record.started_at or None
        member.row = record.row or mark_of(member.spec)
        member.started_s = record.started_s or self._context.now_s()
        member.restarts, member.adopted = record.restarts, True
        member.voice = Voice(port=record.port)
        self.listen(member)
        member.phase, member.phase_reason = Phase.STARTING, "adopted"
        if record.ready:
            member.voice.ready_s = self._context.now_s()
            member.phase, member.phase_reason = Phase.RUNNING, "adopted"
        self._hold(member, found.process)
        if record.pid is None or record.cookie:
            self.write_record(
                replace(record, pid=found.process.pid, start_ticks=found.process.start_ticks)
            )


def rotate(output: Path, bytes_max: int) -> None:
    """Move a grown output file to `.1`, older ones on; nothing but the oldest is lost.

    A process that still writes to the moved file goes on doing so. Raises OSError, also for a
    pipe: to open one would make the supervisor wait for its reader.
    """
    try:
        status = output.stat()
    except FileNotFoundError:
        return
    if stat.S_ISFIFO(status.st_mode):
        raise OSError(errno.EINVAL, "is a pipe where a file belongs", str(output))
    if status.st_size <= bytes_max:
        return
    for number in range(OUTPUTS_KEPT - 1, 0, -1):
        older = output.with_name(f"{output.name}.{number}")
        if older.exists():
            older.replace(output.with_name(f"{output.name}.{number + 1}"))
    output.replace(output.with_name(f"{output.name}.1"))
