"""Three supervisors over the same tiny children: ours, supervisord, circus.

Every child writes its name and pid into one pipe the moment it begins, so that the pipe's reader
is woken by the kernel and no polling of the bench is in a figure.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from services.supervisor.launch import LAUNCH_VARIABLE, Launch
from tests.support.system import ROOT, clean_environment

END_S, ENDS = 60.0, 4
STABLE_S = 5.0
"""A child that lived so long is started again at once by all three."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A child that has just begun; seconds on the monotonic clock."""

    name: str
    pid: int
    at_s: float


class Arrivals:
    """The reading end of the children's pipe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        os.mkfifo(f"{path}.never", 0o600)
        # Also open for writing, so that the pipe never ends.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._rest = b""

    def next(self, count: int, timeout_s: float) -> list[Arrival]:
        """Return the next `count` arrivals; raises RuntimeError when they do not come."""
        found: list[Arrival] = []
        deadline_s = time.monotonic() + timeout_s
        while len(found) < count:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self._descriptor], [], [], left_s)[0]:
                raise RuntimeError(f"{len(found)} of {count} children came in {timeout_s:g} s")
            data = self._rest + os.read(self._descriptor, 65_536)
            now_s = time.monotonic()
            *lines, self._rest = data.split(b"\n")
            words = [line.decode("ascii").split() for line in lines]
            found.extend(Arrival(name, int(pid), now_s) for name, pid in words)
        return found

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Contender:
    """A supervisor that can be set over a table of children."""

    name: str
    prepare: Callable[[Path, list[str]], list[str]]
    """Writes what it needs into a folder; returns its command."""


def child_command(name: str, pipe: Path) -> list[str]:
    """Return what every child runs: it tells that it began, then waits for a word from nobody."""
    return ["/bin/sh", "-c", f"echo {name} $$ >{pipe}; read word <>{pipe}.never"]


def _prepare_ours(base: Path, names: list[str]) -> list[str]:
    rows = []
    for name in names:
        first, option, script = child_command(name, base / "pipe")
        rows.append(
            f'[service.{name}]\ncommand = ["{first}", "{option}", "{script}"]\n'
            f"notify = false\nstable_s = {STABLE_S}\nmax_failures = 1000\n"
        )
    (base / "services.toml").write_text("\n".join(rows), "utf-8")
    for folder in ("state/run", "logs/last_words"):
        (base / folder).mkdir(parents=True)
    return [sys.executable, "-m", "services.supervisor"]


def launch_text(base: Path) -> str:
    """Return what the guardian hands to a supervisor of ours."""
    folders = (str(base / "state"), str(base / "logs"))
    table = str(base / "services.toml")
    return Launch(*folders, "sim", table, max_failures=5, window_s=600.0).to_text()


def _prepare_supervisord(base: Path, names: list[str]) -> list[str]:
    parts = [f"[supervisord]\nlogfile={base}/main.log\npidfile={base}/main.pid\nchildlogdir={base}"]
    for name in names:
        first, option, script = child_command(name, base / "pipe")
        parts.append(f"[program:{name}]\ncommand={first} {option} '{script}'\nautorestart=true")
    configuration = base / "supervisord.conf"
    configuration.write_text("\n".join(parts) + "\n", "utf-8")
    program = Path(sys.executable).with_name("supervisord")
    return [str(program), "-n", "-c", str(configuration)]


def _prepare_circus(base: Path, names: list[str]) -> list[str]:
    # A stats endpoint would make it run one more process, which outlives a quick end.
    doors = "\n".join(f"{key} = ipc://{base}/{key}" for key in ("endpoint", "pubsub_endpoint"))
    parts = [f"[circus]\n{doors}\nwarmup_delay = 0"]
    for name in names:
        first, option, script = child_command(name, base / "pipe")
        parts.append(
            f"[watcher:{name}]\ncmd = {first}\nargs = {option} '{script}'\nwarmup_delay = 0"
        )
    configuration = base / "circus.ini"
    configuration.write_text("\n".join(parts) + "\n", "utf-8")
    return [sys.executable, "-m", "circus.circusd", str(configuration)]


OURS = Contender("ours", _prepare_ours)
SUPERVISORD = Contender("supervisord", _prepare_supervisord)
CIRCUS = Contender("circus", _prepare_circus)


def others() -> tuple[Contender, ...]:
    """Return the references; SystemExit when the bench's own packages are not installed."""
    if find_spec("circus") is None:
        raise SystemExit("CIRCUS ABSENT: type `python3 tools/bootstrap.py bench`")
    return (SUPERVISORD, CIRCUS)


@dataclass(slots=True)
class Rig:
    """A running supervisor, its children, and how long their start took."""

    base: Path
    pid: int
    arrivals: Arrivals
    children: dict[str, int]
    started_s: float
    start_processor_s: float = 0.0
    """What the supervisor itself ran until its last child began."""

    def restarted(self, name: str) -> float:
        """Kill one child; return the seconds until its successor began."""
        start_s = time.monotonic()
        os.kill(self.children[name], signal.SIGKILL)
        (arrival,) = self.arrivals.next(1, END_S)
        self.children[arrival.name] = arrival.pid
        return arrival.at_s - start_s

    def all_restarted(self) -> float:
        """Kill every child at once; return the seconds until the last successor began."""
        start_s = time.monotonic()
        for pid in self.children.values():
            os.kill(pid, signal.SIGKILL)
        arrivals = self.arrivals.next(len(self.children), END_S)
        self.children.update({one.name: one.pid for one in arrivals})
        return arrivals[-1].at_s - start_s

    def memory_mib(self) -> float:
        """Return the supervisor's proportional set size."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text("ascii")
        (kib,) = (line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
        return int(kib) / 1024

    def on_processor_s(self) -> float:
        """Return the seconds that all threads of the supervisor have run so far."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e9

    def idle_percent(self, seconds: float) -> float:
        """Return the share of a core that the supervisor takes while nothing happens."""
        before_s, at_s = self.on_processor_s(), time.monotonic()
        time.sleep(seconds)
        return 100 * (self.on_processor_s() - before_s) / (time.monotonic() - at_s)


class RawChild:
    """The least that a restart can take: kill, wait, posix_spawn, nothing remembered."""

    def __init__(self, base: Path) -> None:
        self._arrivals = Arrivals(base / "pipe")
        self._pid = self._begin()

    def _begin(self) -> int:
        command = child_command("raw", self._arrivals.path)
        # A session of its own, as every service gets: the kernel shares the cores by session.
        pid = os.posix_spawn(command[0], command, os.environ, setsid=True)
        self._arrivals.next(1, END_S)
        return pid

    def _end(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def restarted(self) -> float:
        """Kill the child; return the seconds until its successor began."""
        start_s = time.monotonic()
        self._end()
        self._pid = self._begin()
        return time.monotonic() - start_s

    def close(self) -> None:
        """End the last of them."""
        self._end()
        self._arrivals.close()


@contextmanager
def running(contender: Contender, base: Path, count: int) -> Iterator[Rig]:
    """Set a supervisor over `count` children in an empty folder; always end all of them."""
    arrivals = Arrivals(base / "pipe")
    names = [f"idle-{number}" for number in range(count)]
    command = contender.prepare(base, names)
    environment = clean_environment({LAUNCH_VARIABLE: launch_text(base)})
    # As `make run` starts it, not as a session that keeps its folders clean.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start_s = time.monotonic()
    with (base / "output").open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    rig = Rig(base, process.pid, arrivals, {}, 0.0)
    try:
        first = arrivals.next(count, END_S)
        rig.children.update({one.name: one.pid for one in first})
        rig.started_s = first[-1].at_s - start_s
        rig.start_processor_s = rig.on_processor_s()
        yield rig
    finally:
        arrivals.close()
        left = _end(process, base)
    if left and contender.name == OURS.name:
        raise RuntimeError(f"our supervisor left {left} processes behind")


def _end(process: subprocess.Popen[bytes], base: Path) -> int:
    """End a supervisor, which ends its children; return how many it left to us.

    Asked more than once: circus forgets a signal that comes while it looks after its children.
    """
    for _ in range(ENDS):
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S / ENDS)
            break
    else:
        process.kill()
        process.wait(10)
    left = _processes_of(base)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(left)


def _processes_of(base: Path) -> list[int]:
    """Return the living processes whose command or environment names that folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if os.fsencode(base) in told:
                found.append(int(entry.name))
    return found
