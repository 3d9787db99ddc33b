"""Processes as the kernel sees them: spawn, watch by pidfd, signal, exit status, usage.

No fork in Python and no preexec_fn: posix_spawn answers within a millisecond. A process is
known by pid, start ticks and boot, since a pid alone is recycled; psutil's creation time moves
with the wall clock and is not used.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
COOKIE = "SHT_COOKIE"
ENVIRON_BYTES_MAX = 1 << 20

_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_INFO = struct.Struct("=QQ11Ii")
"""struct pidfd_info of linux/pidfd.h, version 0: mask, cgroup id, eleven ids, exit code."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended; both None when nobody could observe it."""

    code: int | None
    signal: int | None


FileAction = tuple[int, int, str, int, int] | tuple[int, int, int]
"""What posix_spawn does to a descriptor before the program begins."""

UNKNOWN_EXIT = Exit(None, None)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    cpu_s: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Process:
    """A live process that we hold a pidfd of."""

    pid: int
    pidfd: int
    start_ticks: int

    def send(self, number: signal.Signals) -> bool:
        """Signal exactly this process; False when it is gone."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def close(self) -> None:
        """Give the pidfd back."""
        os.close(self.pidfd)


def spawn(command: Sequence[str], environment: Mapping[str, str], output: Path) -> Process:
    """Start a command in a session of its own, output appended to a file.

    Raises OSError when the program or the output file cannot be opened.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions: list[FileAction] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return _spawned(command, environment, actions)


def spawn_on_terminal(command: Sequence[str], environment: Mapping[str, str]) -> Process:
    """Start a command that speaks to whoever started us; raises OSError."""
    return _spawned(command, environment, [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)])


def _spawned(
    command: Sequence[str],
    environment: Mapping[str, str],
    actions: list[FileAction],
) -> Process:
    pid = os.posix_spawnp(
        command[0],
        list(command),
        dict(environment),
        file_actions=actions,
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXFSZ],
    )
    return Process(pid, os.pidfd_open(pid), start_ticks(pid) or 0)


def is_program(name: str) -> bool:
    """Whether the first word of a command can be executed at all."""
    return shutil.which(name) is not None


def _stat_fields(pid: int) -> list[bytes] | None:
    """Fields of /proc/PID/stat from the third (state) on; None when there is no such process."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return raw[raw.rindex(b")") + 2 :].split()


def start_ticks(pid: int) -> int | None:
    """Clock ticks since boot at which the process began; None when it is gone or a zombie."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def usage(pid: int) -> Usage | None:
    """Return processor time and memory of a process; None when it is gone."""
    fields = _stat_fields(pid)
    if fields is None:
        return None
    return Usage((int(fields[11]) + int(fields[12])) / CLOCK_TICKS, int(fields[21]) * PAGE_BYTES)


def open_process(pid: int, ticks: int) -> Process | None:
    """Take hold of a process that is not our child; None unless it is the very same one."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    if start_ticks(pid) != ticks:
        os.close(pidfd)
        return None
    return Process(pid, pidfd, ticks)


def ended_within(process: Process, timeout_s: float) -> bool:
    """Wait for the end of a process, ours or not; whether it came in time."""
    ready, _, _ = select.select([process.pidfd], [], [], timeout_s)
    return bool(ready)


def collect_exit(process: Process) -> Exit | None:
    """Reap the process and return its exit; None while the kernel cannot say it yet.

    For an adopted one, which is no child of ours, the kernel is asked through its pidfd after
    its real parent has reaped it; kernels that cannot say raise OSError.
    """
    try:
        result = os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return _exit_of_stranger(process.pidfd)
    if result is None:
        return None
    if result.si_code == os.CLD_EXITED:
        return Exit(result.si_status, None)
    return Exit(None, result.si_status)


def _exit_of_stranger(pidfd: int) -> Exit | None:
    buffer = bytearray(_PIDFD_INFO.size)
    struct.pack_into("=Q", buffer, 0, _PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer)
    except ProcessLookupError:
        return None
    fields = _PIDFD_INFO.unpack(buffer)
    mask, status = fields[0], fields[-1]
    if not mask & _PIDFD_INFO_EXIT:
        return None
    if os.WIFSIGNALED(status):
        return Exit(None, os.WTERMSIG(status))
    return Exit(os.WEXITSTATUS(status), None)


def kill_group(pid: int) -> None:
    """SIGKILL the session that a service of ours leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; empty when it cannot be read."""
    try:
        with Path(f"/proc/{pid}/environ").open("rb") as file:
            raw = file.read(ENVIRON_BYTES_MAX)
    except OSError:
        return {}
    pairs = (item.partition(b"=") for item in raw.split(b"\0") if b"=" in item)
    return {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}


def processes_with_cookie(prefix: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield pid and environment of every process of ours whose cookie begins so."""
    needle = f"{COOKIE}={prefix}".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            raw = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if needle in raw and pid != os.getpid():
            yield pid, environment_of(pid)


def kill_by_cookie(cookie: str) -> int:
    """SIGKILL every process that carries exactly this cookie; return how many there were."""
    count = 0
    for pid, environment in processes_with_cookie(cookie):
        if environment.get(COOKIE) != cookie:
            continue
        ticks = start_ticks(pid)
        process = None if ticks is None else open_process(pid, ticks)
        if process is not None:
            count += process.send(signal.SIGKILL)
            process.close()
    return count
