"""What `doctor` looks for: one function per kind of fault, each yielding complaints."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.supervisor.dependencies import missing_packages
from services.supervisor.doctor_kernel import is_clock_unsynchronised, memory_free_bytes
from services.supervisor.launch import REPOSITORY
from services.supervisor.processes import open_process
from shared.config.paths import StatePaths
from shared.errors import SystemFault
from shared.persistence.emergency_stop import EmergencyStopFile

DISK_FREE_BYTES_MIN = 500_000_000
INODES_FREE_MIN = 1_000
MEMORY_FREE_BYTES_MIN = 400_000_000
"""What all processes together need when they start."""
OPEN_FILES_MIN = 1_024
AHEAD_MAX = timedelta(minutes=1)
DEFAULT_PORT = 8000
DEFAULT_ENV_FILE = REPOSITORY / ".env"
BARS = "*_1min.csv"
MARKET_ZONE = "America/New_York"


@dataclass(frozen=True, slots=True)
class Complaint:
    """One fault and its mend, in words for the person who has to do it."""

    fault: str
    mend: str


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at."""

    state: StatePaths
    log_dir: Path
    env_file: Path
    setting: Callable[[str], str]
    """Text of a setting, empty when it is not set."""
    is_running: bool
    """Whether a supervisor answers."""
    now: datetime
    """UTC."""


def packages(_: Patient) -> Iterator[Complaint]:
    """What the product needs and this interpreter lacks."""
    missing = missing_packages()
    if missing:
        yield Complaint(f"not installed: {', '.join(missing)}", "make run")


def settings(patient: Patient) -> Iterator[Complaint]:
    """Every fault of the settings, as `check` names them."""
    if missing_packages():
        yield Complaint("not judged: that needs the missing packages", "make run")
        return
    from shared.config.settings import load_settings

    # Without a .env of its own the default settings are meant; a file that was named must exist.
    is_absent = patient.env_file == DEFAULT_ENV_FILE and not patient.env_file.exists()
    try:
        load_settings(env_file=None if is_absent else patient.env_file)
    except SystemFault as fault:
        yield Complaint(str(fault), "python deploy_supervisor.py check names each with its mend")


def secrets_file(patient: Patient) -> Iterator[Complaint]:
    """A .env that others may read."""
    try:
        mode = patient.env_file.stat().st_mode
    except OSError:
        return
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        name = patient.env_file.name
        yield Complaint(f"{name} may be read by others", f"chmod 600 {patient.env_file}")


def folders(patient: Patient) -> Iterator[Complaint]:
    """Folders that are missing their rights, and files in them that belong to somebody else."""
    run = patient.state.run
    if run.exists() and not run.is_dir():
        yield Complaint(f"{run} is no folder", "move it away; it is made anew")
    for name, folder in (("STATE_DIR", patient.state.root), ("LOG_DIR", patient.log_dir)):
        if folder.is_symlink() and not folder.exists():
            yield Complaint(f"{folder} is a link that leads nowhere", f"mend it, or set {name}")
            continue
        if not folder.exists():
            parent = next(one for one in folder.parents if one.exists())
            if not os.access(parent, os.W_OK | os.X_OK):
                mend = f"make {folder} and give it to this user, or set {name}"
                yield Complaint(f"{folder} cannot be made", mend)
            continue
        if not folder.is_dir():
            yield Complaint(f"{folder} is no folder", f"move it away, or set {name}")
            continue
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            yield Complaint(f"{folder} cannot be written", f"chmod u+rwx {folder}")
            continue
        strangers = [path.name for path in sorted(folder.iterdir()) if is_strange(path)]
        if strangers:
            mend = f"chown them to this user; replace links by files (in {folder})"
            yield Complaint(f"not ours, or links: {', '.join(strangers[:10])}", mend)


def is_strange(path: Path) -> bool:
    """Whether it is of somebody else or a link; what is gone a moment later is neither."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return there.st_uid != os.geteuid() or stat.S_ISLNK(there.st_mode)


def waiting(patient: Patient) -> Iterator[Complaint]:
    """What only a person ends: an emergency stop, files that were set aside, orders that nobody
    took up.
    """
    if not patient.state.root.is_dir():
        return
    note = EmergencyStopFile(patient.state.emergency_stop).read()
    if note is not None:
        mend = "settle its reason, then python deploy_supervisor.py clear-stop --approver A"
        yield Complaint(f"an emergency stop is set by {note.by}: {note.reason}", mend)
    aside = sorted(path.name for path in patient.state.root.glob("*.corrupt.*"))
    if aside:
        mend = "python deploy_supervisor.py bundle for a developer, then move them away"
        yield Complaint(f"damaged files were set aside: {', '.join(aside[:10])}", mend)
    asked = sorted(path.stem for path in patient.state.commands.glob("*.json"))
    if asked and not patient.is_running:
        mend = "they expire by themselves; give the command again once the system runs"
        yield Complaint(f"commands that nobody took up: {', '.join(asked[:10])}", mend)


def zone(_: Patient) -> Iterator[Complaint]:
    """The time zone of the market, by which days and quiet hours are told."""
    try:
        ZoneInfo(MARKET_ZONE)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        yield Complaint(f"this machine does not know {MARKET_ZONE}", "make run (package tzdata)")


def disk(patient: Patient) -> Iterator[Complaint]:
    """Room and inodes where state and logs lie."""
    for folder in (patient.state.root, patient.log_dir):
        place = next(one for one in (folder, *folder.parents) if one.exists())
        try:
            free, inodes = shutil.disk_usage(place).free, os.statvfs(place)
        except OSError as fault:
            yield Complaint(f"{place} cannot be asked: {fault.strerror}", "look at the disk")
            continue
        if free < DISK_FREE_BYTES_MIN:
            mend = "make room; logs older than you need may go"
            yield Complaint(f"{free // 1_000_000} MB are left for {folder}", mend)
        if inodes.f_files and inodes.f_favail < INODES_FREE_MIN:
            yield Complaint(f"{inodes.f_favail} inodes are left for {folder}", "remove small files")


def clock(patient: Patient) -> Iterator[Complaint]:
    """A clock that nobody sets, or that was set back behind what is already written."""
    if is_clock_unsynchronised():
        mend = "start a time service (systemd-timesyncd, chrony); the broker refuses a wrong time"
        yield Complaint("the kernel says that its clock is not synchronised", mend)
    for path in (patient.state.health, patient.state.bot_status, patient.state.trading_state):
        try:
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError:
            continue
        if written - patient.now > AHEAD_MAX:
            ahead_s = (written - patient.now).total_seconds()
            mend = "set the clock right (timedatectl), then restart"
            yield Complaint(f"{path.name} is {ahead_s:.0f} s from the future", mend)


def pid_files(patient: Patient) -> Iterator[Complaint]:
    """Pid files whose processes are gone, while nobody answers who would clear them."""
    if patient.is_running:
        return
    stale: list[str] = []
    living: list[str] = []
    for path in sorted(patient.state.run.glob("*.pid")):
        pid, ticks = _noted(path)
        process = open_process(pid, ticks) if pid and ticks else None
        (stale if process is None else living).append(path.stem)
    if living:
        mend = "make run adopts them, python deploy_supervisor.py stop ends them"
        yield Complaint(f"run without a supervisor that answers: {', '.join(living)}", mend)
    if stale:
        mend = "python deploy_supervisor.py stop clears what a kill left; a start does, too"
        yield Complaint(f"pid files of processes that are gone: {', '.join(stale)}", mend)


def _noted(path: Path) -> tuple[int, int]:
    """Return pid and start ticks, zeros where they cannot be read."""
    from services.supervisor.adoption import RecordFolder

    record = RecordFolder(path.parent).read(path.stem)
    if record is not None:
        return record.pid or 0, record.start_ticks or 0
    try:
        words = path.read_text("ascii").split()
        return int(words[0]), int(words[1])
    except (OSError, ValueError, IndexError):
        return 0, 0


def ports(patient: Patient) -> Iterator[Complaint]:
    """A port of ours that somebody else has, while nothing of ours runs."""
    if patient.is_running:
        return
    host = patient.setting("DASHBOARD_HOST") or "127.0.0.1"
    wanted = {"DASHBOARD_PORT": patient.setting("DASHBOARD_PORT") or str(DEFAULT_PORT)}
    wanted["SIM_PORT"] = patient.setting("SIM_PORT")
    for name, text in wanted.items():
        if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
            continue
        place = host if name == "DASHBOARD_PORT" else "127.0.0.1"
        try:
            with socket.create_server((place, int(text))):
                continue
        except OSError as fault:
            mend = f"end the other program, or set {name}; in sim the page moves by itself"
            yield Complaint(f"port {text} of {place} is not free: {fault.strerror}", mend)


def bars(patient: Patient) -> Iterator[Complaint]:
    """A replay without bars."""
    named = patient.setting("SIM_REPLAY")
    if not named:
        return
    path = _of_user(named)
    if not path.exists():
        yield Complaint(f"SIM_REPLAY names {named}, which is not there", "name a folder of bars")
    elif path.is_dir() and not any(path.glob(BARS)):
        yield Complaint(f"{named} holds no {BARS}", "put <SYMBOL>_1min.csv files there")


def _of_user(named: str) -> Path:
    try:
        return Path(named).expanduser()
    except RuntimeError:  # `~nobody-of-this-name`
        return Path(named)


def kernel(_: Patient) -> Iterator[Complaint]:
    """Limits of kernel and machine that are too low for us."""
    if not hasattr(os, "pidfd_open"):
        yield Complaint("this kernel or Python has no pidfd", "use Linux 5.4 and Python 3.11")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY and files < OPEN_FILES_MIN:
        yield Complaint(f"only {files} open files are allowed", f"ulimit -n {OPEN_FILES_MIN}")
    free = memory_free_bytes()
    if free is not None and free < MEMORY_FREE_BYTES_MIN:
        yield Complaint(f"{free // 1_000_000} MB of memory are left", "end other programs")


CHECKS: dict[str, Callable[[Patient], Iterator[Complaint]]] = {
    "packages": packages,
    "settings": settings,
    "secrets file": secrets_file,
    "folders": folders,
    "waiting": waiting,
    "disk": disk,
    "clock": clock,
    "time zone": zone,
    "pid files": pid_files,
    "ports": ports,
    "bars": bars,
    "kernel": kernel,
}
