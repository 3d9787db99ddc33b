"""One account's state goes out, another's comes in, under the same current names.

Each name is on the disk before the next one moves: a power loss that kept a later rename and
forgot an earlier one would put one account's state over the other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from shared.clock import Clock
from shared.persistence.atomic_file import rename_for_good
from shared.persistence.file_port import FilePort
from shared.persistence.names import aside_name
from shared.persistence.quarantine import move_aside


@dataclass(frozen=True, slots=True)
class AccountChange:
    """Moves in one open folder. `names` are the current names, the newest generation's first.

    Methods raise OSError.
    """

    folder: int
    names: Sequence[str]
    files: FilePort
    clock: Clock

    def move_out(self, owner: tuple[str, str], notes: list[str]) -> None:
        """Set the current files of this owner aside; what is in the way is kept and noted."""
        # The oldest first: a death in between leaves the newest one where a load looks.
        for name in reversed(self.names):
            target, present = aside_name(name, *owner), self.files.names(self.folder)
            if name not in present:
                # Never was, or a change that died has moved it: then it stands aside already.
                continue
            if target in present:
                kept = move_aside(self.folder, target, self.clock, self.files)
                notes.append(f"an earlier {target} was in the way; kept as {kept}")
            rename_for_good(self.folder, name, target, self.files)
        notes.append(f"the state of {owner[0]} {owner[1]} was set aside")

    def move_in(self, owner: tuple[str, str]) -> None:
        """Make this owner's files the current ones, as far as no others are."""
        # The newest first, for the same reason.
        for name in self.names:
            if name not in self.files.names(self.folder):
                with suppress(FileNotFoundError):
                    rename_for_good(self.folder, aside_name(name, *owner), name, self.files)
