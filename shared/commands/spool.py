"""The spool: operators lay commands down as files, the trading lock's holder takes them up.

    commands/ID.json  --claim (rename)-->  taken/ID.json  --answer-->  done/ID.json

A rename has one winner, so a command is taken up once. A holder notes in the taken file to what
it does a command before it does it; what lies there after its death the next holder finishes, or
finds done. Nothing here acts; it only carries.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from shared.clock import Clock
from shared.config.paths import StatePaths
from shared.errors import ConfigFault, TransientFault
from shared.models.commands import (
    Answer,
    Command,
    CommandOutcome,
    answer_from_document,
    command_from_document,
    is_command_id,
)
from shared.persistence.atomic_file import Missing, read_document, write_document
from shared.persistence.document import parse_object, render
from shared.persistence.file_port import REAL, FilePort

DOCUMENT_BYTES_MAX = 65_536
ANSWERS_KEPT = 200
CLAIM_WITHIN_S = 2.0
"""An older unclaimed command means that the holder is dead or hung (CONTRACTS.md section 4)."""
_POLL_S = 0.05
_SUFFIX = ".json"
_NAME_KEPT = 64


@dataclass(frozen=True, slots=True)
class Expired:
    """A command that came too late; it has been answered, nothing must be done but a log line."""

    command: Command
    answer: Answer


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is no command; it was moved aside and answered, and belongs in the log."""

    answer: Answer


Claim = Command | Expired | Unreadable


class CommandSpool:
    """The folder state/commands, seen from both sides."""

    def __init__(self, paths: StatePaths, clock: Clock, files: FilePort = REAL) -> None:
        self._waiting = paths.commands
        self._taken = paths.commands / "taken"
        self._done = paths.commands / "done"
        self._clock = clock
        self._files = files

    # -- the operator's side

    def submit(self, command: Command) -> None:
        """Lay a command down, durably. Raises TransientFault when the disk refuses."""
        self._make_folders()
        write_document(
            self._waiting / f"{command.id}{_SUFFIX}", render(command.as_document()), self._files
        )

    def withdraw(self, command_id: str) -> bool:
        """Take an unclaimed command back, answering it as expired; False when it was claimed."""
        # Not by way of taken/: a holder that just starts would find it there and do it.
        aside = self._done / f".{command_id}.withdrawn"
        try:
            (self._waiting / f"{command_id}{_SUFFIX}").rename(aside)
        except FileNotFoundError:
            return False
        self.answer(command_id, CommandOutcome.EXPIRED, "Withdrawn: nobody took it up in time.")
        aside.unlink(missing_ok=True)
        return True

    def read_answer(self, command_id: str) -> Answer | None:
        """Return the answer, None while there is none that can be read."""
        if not is_command_id(command_id):
            return None
        path = self._done / f"{command_id}{_SUFFIX}"
        try:
            raw = read_document(path, DOCUMENT_BYTES_MAX, self._files)
            return None if isinstance(raw, Missing) else answer_from_document(parse_object(raw))
        except (ValueError, ConfigFault, TransientFault):
            return None

    def wait_answer(self, command_id: str, timeout_s: float) -> Answer | None:
        """Wait for the answer; None when none came within the timeout."""
        deadline = self._clock.monotonic_s() + timeout_s
        never = threading.Event()
        while True:
            answer = self.read_answer(command_id)
            left = deadline - self._clock.monotonic_s()
            if answer is not None or left <= 0:
                return answer
            self._clock.wait(never, min(_POLL_S, left))

    # -- the supervisor's side

    def unclaimed_age_s(self) -> float | None:
        """Return how long the oldest waiting command has waited, None when none waits.

        Only what can be read counts: a foreign file must not get the bot killed.
        """
        now = self._clock.boottime_s()
        boot = self._clock.boot_id()
        ages = [
            now - command.boottime_s if command.boot_id == boot else now
            for command in map(self._read_or_none, self._files_in(self._waiting))
            if command is not None
        ]
        return max(0.0, *ages) if ages else None

    # -- the side of the trading lock's holder

    def claim(self) -> Claim | None:
        """Take up the oldest waiting command; None when there is none.

        An expired command and an unreadable file are answered here and returned for the log.
        Raises TransientFault when the disk refuses.
        """
        for path in self._files_in(self._waiting):
            try:
                self._move_to_taken(path.stem)
            except FileNotFoundError:
                continue
            except OSError as failure:
                raise TransientFault(f"{path.name} cannot be claimed: {failure}") from failure
            return self._judged(self._taken / path.name, is_new=True)
        return None

    def begin(self, command: Command, facts: Mapping[str, str]) -> Command:
        """Note, durably and before it is done, to what a taken command is done; return it so.

        Whoever finds it taken then knows what to look for, and it expires no more. Raises
        TransientFault when the disk refuses.
        """
        begun = replace(command, begun=dict(facts))
        path = self._taken / f"{command.id}{_SUFFIX}"
        write_document(path, render(begun.as_document()), self._files)
        return begun

    def taken(self) -> tuple[Claim, ...]:
        """Return what an earlier holder took up and never answered, oldest first.

        Expired and unreadable ones are answered here, as in `claim`. One that was answered, by a
        holder that died before it had cleaned up, is left at that.
        """
        found: list[Claim] = []
        for path in self._files_in(self._taken):
            if self.read_answer(path.stem) is None:
                found.append(self._judged(path))
            else:
                self._clean_up(path.stem)
        return tuple(found)

    def answer(
        self,
        command_id: str,
        outcome: CommandOutcome,
        detail: str,
        result: Mapping[str, object] | None = None,
    ) -> Answer:
        """Answer a taken command, durably, and return the answer.

        Raises TransientFault when the disk refuses; the command then stays taken, and answering
        it again is harmless.
        """
        answer = Answer(command_id, outcome, detail, self._clock.utc_now(), result or {})
        self._make_folders()
        write_document(
            self._done / f"{command_id}{_SUFFIX}", render(answer.as_document()), self._files
        )
        self._clean_up(command_id)
        self._forget_old_answers()
        return answer

    # -- inside

    def _clean_up(self, command_id: str) -> None:
        with suppress(OSError):
            (self._taken / f"{command_id}{_SUFFIX}").unlink(missing_ok=True)

    def _make_folders(self) -> None:
        try:
            for folder in (self._waiting, self._taken, self._done):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as failure:
            raise TransientFault(f"state/commands cannot be made: {failure.strerror}") from failure

    def _files_in(self, folder: Path) -> Iterator[Path]:
        try:
            paths = sorted(folder.iterdir())
        except FileNotFoundError:
            return
        except OSError as failure:
            raise TransientFault(f"{folder.name} cannot be listed: {failure}") from failure
        for path in paths:
            if path.suffix == _SUFFIX and not path.name.startswith("."):
                yield path

    def _move_to_taken(self, command_id: str) -> None:
        self._make_folders()
        name = f"{command_id}{_SUFFIX}"
        (self._waiting / name).rename(self._taken / name)

    def _read(self, path: Path) -> Command | None:
        """Return the command in the file, None when there is none in it; TransientFault when it
        cannot be read.
        """
        try:
            raw = read_document(path, DOCUMENT_BYTES_MAX, self._files)
            if isinstance(raw, Missing):
                return None
            command = command_from_document(parse_object(raw))
        except (ValueError, ConfigFault):
            return None
        return command if command.id == path.stem else None

    def _read_or_none(self, path: Path) -> Command | None:
        with suppress(TransientFault):
            return self._read(path)
        return None

    def _judged(self, path: Path, *, is_new: bool = False) -> Claim:
        try:
            command = self._read(path)
        except TransientFault as fault:
            # It may be a command: its sender may try again. The ones behind it must not wait.
            return Unreadable(self._put_aside(path, CommandOutcome.FAILED, str(fault)))
        if command is None or (is_new and command.begun):
            detail = "The file was no readable command; it was moved aside."
            return Unreadable(self._put_aside(path, CommandOutcome.REFUSED, detail))
        if not command.begun and command.is_expired(
            self._clock.boot_id(), self._clock.boottime_s()
        ):
            detail = "It was not taken up in time; give it again if it is still wanted."
            return Expired(command, self.answer(command.id, CommandOutcome.EXPIRED, detail))
        return command

    def _put_aside(self, path: Path, outcome: CommandOutcome, detail: str) -> Answer:
        """Move a file in taken/ aside and answer its id."""
        stamp = self._clock.utc_now().strftime("%Y%m%dT%H%M%S%fZ")
        # Cut: a foreign name may be as long as names can be, and must not stay in the way.
        aside = self._done / f"{path.name[:_NAME_KEPT]}.corrupt.{stamp}"
        try:
            path.rename(aside)
        except FileNotFoundError:
            pass
        except OSError as failure:
            raise TransientFault(f"{path.name!a} cannot be moved aside: {failure}") from failure
        if not is_command_id(path.stem):
            # Nobody of ours gave it that name, so nobody waits for its answer.
            shown = ascii(path.stem)[:_NAME_KEPT]
            return Answer(shown, outcome, detail, self._clock.utc_now())
        return self.answer(path.stem, outcome, detail)

    def _forget_old_answers(self) -> None:
        with suppress(OSError, TransientFault):
            answers = list(self._files_in(self._done))
            for path in answers[:-ANSWERS_KEPT]:
                path.unlink(missing_ok=True)
