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
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
COOKIE = "SHT_COOKIE"
ENVIRON_BYTES_MAX = 1 << 20
STAT_BYTES_MAX = 4096

PR_SET_CHILD_SUBREAPER = 36
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
    return _held(pid)


def _held(pid: int) -> Process:
    """Take hold of a child; raises OSError, and then the child has ended."""
    try:
        return Process(pid, os.pidfd_open(pid), start_ticks(pid) or 0)
    except OSError:
        # Whom we cannot watch would be started a second time.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def become_subreaper() -> None:
    """Inherit the orphans among our descendants (prctl(2)); without it init inherits them."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children_of_ours() -> tuple[int, ...]:
    """Return the pids of our own children, those that ended and were not reaped included."""
    own_pid = os.getpid()
    listed = b""
    path = f"/proc/{own_pid}/task/{own_pid}/children"
    with suppress(OSError), open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as all of /proc here
        listed = file.read()
    return tuple(int(word) for word in listed.split())


def is_program(name: str) -> bool:
    """Whether the first word of a command can be executed at all."""
    return shutil.which(name) is not None


def _stat_fields(pid: int) -> list[bytes] | None:
    """Fields of /proc/PID/stat from the third (state) on; None when there is no such process."""
    raw = small_file(f"/proc/{pid}/stat", STAT_BYTES_MAX)
    return raw[raw.rindex(b")") + 2 :].split() if raw else None


def small_file(path: str, bytes_max: int) -> bytes:
    """Return what the kernel, or a file of ours, says there; nothing when it says nothing.

    Without pathlib and buffers: with many services this is half of what a round costs.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, bytes_max)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def start_ticks(pid: int) -> int | None:
    """Clock ticks since boot at which the process began; None when it is gone or a zombie."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def state_of(pid: int) -> str:
    """Return the kernel's letter for what its main thread does; empty when it is gone."""
    fields = _stat_fields(pid)
    return "" if fields is None else fields[0].decode("ascii")


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

    An adopted one is no child of ours: its status stands in /proc until its real parent has
    reaped it, and afterwards the kernel is asked through its pidfd; kernels that cannot say
    raise OSError.
    """
    try:
        result = os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return _exit_of_zombie(process) or _exit_of_stranger(process.pidfd)
    if result is None:
        return None
    if result.si_code == os.CLD_EXITED:
        return Exit(result.si_status, None)
    return Exit(None, result.si_status)


def _exit_of_zombie(process: Process) -> Exit | None:
    fields = _stat_fields(process.pid)
    if fields is None or fields[0] != b"Z" or int(fields[19]) != process.start_ticks:
        return None
    return _exit_of_status(int(fields[49]))


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
    return _exit_of_status(status)


def _exit_of_status(status: int) -> Exit:
    if os.WIFSIGNALED(status):
        return Exit(None, os.WTERMSIG(status))
    return Exit(os.WEXITSTATUS(status), None)


def kill_group(pid: int) -> None:
    """SIGKILL the session that a service of ours leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; empty when it cannot be read."""
    raw = small_file(f"/proc/{pid}/environ", ENVIRON_BYTES_MAX)
    pairs = (item.partition(b"=") for item in raw.split(b"\0") if b"=" in item)
    return {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}


def processes_with_cookie(prefix: str, known: Container[int] = ()) -> Iterator[tuple[int, str]]:
    """Yield pid and cookie of every process of ours whose cookie begins so, but for the known."""
    for pid, rest in _with_variable(f"{COOKIE}={prefix}", known):
        yield pid, prefix + os.fsdecode(rest.partition(b"\0")[0])


def pids_with(variable: str) -> Iterator[int]:
    """Yield every process of ours whose environment has a variable that begins so."""
    for pid, _ in _with_variable(variable):
        yield pid


def _with_variable(beginning: str, known: Container[int] = ()) -> Iterator[tuple[int, bytes]]:
    """Yield pid and what follows the beginning, without taking the environments apart."""
    needle = b"\0" + os.fsencode(beginning)
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        if pid in known:
            continue
        # The first variable has no end of another before it.
        raw = b"\0" + small_file(f"/proc/{pid}/environ", ENVIRON_BYTES_MAX)
        at = raw.find(needle)
        if at >= 0 and pid != os.getpid():
            yield pid, raw[at + len(needle) :]
