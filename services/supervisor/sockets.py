"""Where our unix sockets lie. The kernel allows 107 bytes of path, so a deep STATE_DIR needs help.

Normally everything is under state/run. When that would be too long, a private folder with a
short name is made and `run/supervisor.sock` becomes a link into it, so that our clients find it;
the stock client cannot follow a path that long, so `run` and `status` print the short one.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from services.supervisor.terminal import SOCKET_PATH_BYTES_MAX

SHORT_ROOT = "/tmp"  # nosec B108 # mkdtemp makes it private; TMPDIR may be as deep as STATE_DIR
_LONGEST_NAME = "notify/" + "n" * 32 + ".sock"


class SocketFolder:
    """Makes and finds the folder of the sockets; raises OSError when it cannot."""

    def __init__(self, run_folder: Path) -> None:
        self._run = run_folder
        self._link = run_folder / "supervisor.sock"
        longest = len(os.fsencode(run_folder / _LONGEST_NAME))
        self._private = longest > SOCKET_PATH_BYTES_MAX
        self.folder = self._private_folder() if self._private else run_folder
        self.control = self.folder / "supervisor.sock"
        """Path of the control socket, short enough for the kernel."""
        (self.folder / "notify").mkdir(mode=0o700, exist_ok=True)

    def notify(self, service: str) -> Path:
        """Path of a service's notify socket."""
        return self.folder / "notify" / f"{service}.sock"

    def _private_folder(self) -> Path:
        known = self._known_folder()
        if known is not None:
            return known
        folder = Path(tempfile.mkdtemp(prefix="sht-", dir=SHORT_ROOT))
        self._lead_to(folder)
        return folder

    def _lead_to(self, folder: Path) -> None:
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(folder / "supervisor.sock")

    def keep_link(self) -> None:
        """Lead to the private folder again, if there is one and somebody removed the link."""
        if self._private and not self._link.is_symlink():
            with suppress(OSError):
                self._lead_to(self.folder)

    def _known_folder(self) -> Path | None:
        """Return the folder of an earlier supervisor, to whose sockets services still speak."""
        try:
            folder = self._link.readlink().parent
            status = folder.stat(follow_symlinks=False)
        except OSError:
            return None
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        return folder if ours and stat.S_IMODE(status.st_mode) == stat.S_IRWXU else None

    def remove(self) -> None:
        """Take everything away at a clean end."""
        shutil.rmtree(self.folder / "notify", ignore_errors=True)
        self.control.unlink(missing_ok=True)
        if self._private:
            self._link.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
