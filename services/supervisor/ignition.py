"""`run`: settings judged whole, folders proven, then this process becomes the guardian."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from services.supervisor.failed_start import FailedStart, publish_failed_start
from services.supervisor.folders import state_folder
from services.supervisor.launch import LAUNCH_VARIABLE, REPOSITORY, Launch
from services.supervisor.leftovers import living_services
from services.supervisor.own_files import GUARDIAN, SUPERVISOR, read_pid_file
from services.supervisor.signals import ASKING, hold
from services.supervisor.table import Defaults, ServiceSpec, load_table
from services.supervisor.terminal import say
from shared.config.ignition import load_for_start
from shared.config.paths import StatePaths
from shared.config.settings import Settings
from shared.errors import EXIT_CANNOT_WRITE, ConfigFault

SERVICES_FILE = REPOSITORY / "services" / "services.toml"
ANY_MODE = "sim"
REPLAY_CHECK = ("services.exchange_sim", "--check")
REPLAY_CHECK_S = 120.0


@dataclass(frozen=True, slots=True)
class Examined:
    """A start that nothing speaks against."""

    settings: Settings
    launch: Launch
    services: tuple[ServiceSpec, ...]


def run(arguments: argparse.Namespace) -> int:
    """Start everything; returns only when the start is refused."""
    try:
        launch = examine(arguments).launch
    except ConfigFault as fault:
        failed = FailedStart(fault.exit_code, str(fault))
        return _refused(state_folder(arguments), failed)
    unwritable = _prepare(launch)
    if unwritable is not None:
        failed = FailedStart(EXIT_CANNOT_WRITE, unwritable, launch.mode)
        return _refused(launch.state.root, failed)
    hold(*ASKING)
    os.environ[LAUNCH_VARIABLE] = launch.to_text()
    os.chdir(REPOSITORY)
    sys.stdout.flush()
    # Not a child but this very process: whoever started us keeps its pid, and the settings
    # library leaves the memory.
    command = [sys.executable, "-m", "services.supervisor.guardian"]
    return os.execv(sys.executable, command)  # nosec B606 # a fixed command, no shell wanted


def _refused(state_dir: Path, failed: FailedStart) -> int:
    failed = replace(failed, reason=failed.reason + _left_alone(state_dir))
    say(failed.reason, sys.stderr)
    publish_failed_start(state_dir, failed)
    return failed.exit_code


def _left_alone(state_dir: Path) -> str:
    """Name the services of an earlier run that a refused start leaves without a supervisor."""
    run_folder = StatePaths(state_dir).run
    owners = [read_pid_file(run_folder, name) for name in (SUPERVISOR, GUARDIAN)]
    found = [] if any(owners) else list(living_services(run_folder))
    if not found:
        return ""
    names = ", ".join(f"{name} (pid {process.pid})" for name, process in found)
    return f"\nNobody supervises {names}: the next good start adopts them, `stop` ends them."


def examine(arguments: argparse.Namespace) -> Examined:
    """Judge settings, service table and replay files; raises ConfigFault with every fault."""
    faults: list[str] = []
    settings: Settings | None = None
    services: tuple[ServiceSpec, ...] = ()
    services_file = _services_file_of(arguments)
    try:
        settings = _settings_of(arguments)
    except ConfigFault as fault:
        faults.append(str(fault))
    try:
        services = _table_of(settings, services_file)
    except ConfigFault as fault:
        faults.append(str(fault))
    if faults or settings is None:
        raise ConfigFault("\n".join(faults))
    launch = _launch_of(arguments, settings, services_file)
    _check_replay(launch, settings)
    return Examined(settings, launch, services)


def _settings_of(arguments: argparse.Namespace) -> Settings:
    confirm: bool = arguments.confirm
    env_file = None if arguments.env_file is None else Path(arguments.env_file).absolute()
    return load_for_start(confirm, env_file=env_file, overrides=overrides_of(arguments))


def overrides_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Return what the command line says, under the names of the settings."""
    said = {
        "TRADING_MODE": arguments.mode,
        "SYMBOLS": arguments.symbols,
        "STATE_DIR": arguments.state_dir,
        "LOG_DIR": arguments.log_dir,
    }
    return {name: value for name, value in said.items() if value is not None}


def _services_file_of(arguments: argparse.Namespace) -> Path:
    return SERVICES_FILE if arguments.services is None else Path(arguments.services).absolute()


def _table_of(settings: Settings | None, services_file: Path) -> tuple[ServiceSpec, ...]:
    """Read the table; with settings that are wrong themselves it is still judged as a table."""
    if settings is None:
        load_table(services_file, ANY_MODE, Defaults(1, 1.0))
        return ()
    window_s = settings.service_failure_window_minutes * 60
    defaults = Defaults(settings.service_max_failures, window_s)
    return load_table(services_file, str(settings.trading_mode), defaults)


def _launch_of(arguments: argparse.Namespace, settings: Settings, services_file: Path) -> Launch:
    extra = {key: value for key, value in overrides_of(arguments).items() if key == "SYMBOLS"}
    return Launch(
        state_dir=str(settings.state_dir),
        log_dir=str(settings.log_dir),
        mode=str(settings.trading_mode),
        services_file=str(services_file),
        max_failures=settings.service_max_failures,
        window_s=settings.service_failure_window_minutes * 60,
        env_file=_env_file(arguments),
        chaos_mode=settings.chaos_mode,
        dashboard_host=settings.dashboard_host,
        sim_port=settings.sim.port,
        seconds_to_run=settings.seconds_to_run or None,
        extra_environment=extra or None,
    )


def _env_file(arguments: argparse.Namespace) -> str:
    if arguments.env_file is not None:
        return str(Path(arguments.env_file).absolute())
    named = os.environ.get("SHT_ENV_FILE")
    if named is not None:
        return named
    default = REPOSITORY / ".env"
    return str(default) if default.exists() else ""


def _check_replay(launch: Launch, settings: Settings) -> None:
    """Let the exchange say whether the replay's files are bar files; raises ConfigFault."""
    if launch.mode != "sim" or settings.sim.replay is None:
        return
    environment = launch.child_environment(os.environ)
    command = [sys.executable, "-m", *REPLAY_CHECK]
    try:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=environment,
            timeout=REPLAY_CHECK_S,
            check=False,
            capture_output=True,
            text=True,
        )
    except subprocess.TimeoutExpired as fault:
        raise ConfigFault(f"SIM_REPLAY: not read within {REPLAY_CHECK_S:g} s") from fault
    if done.returncode == os.EX_CONFIG:
        raise ConfigFault(done.stderr.strip())


def _prepare(launch: Launch) -> str | None:
    """Make the folders and prove that they can be written; return what is wrong, if anything."""
    folders = (
        ("STATE_DIR", launch.state.root, 0o700),
        ("STATE_DIR", launch.state.run, 0o700),
        ("STATE_DIR", launch.state.commands, 0o700),
        ("LOG_DIR", launch.logs.root, 0o700),
        ("LOG_DIR", launch.logs.root / "last_words", 0o700),
    )
    for setting, folder, mode in folders:
        try:
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            _prove(folder)
        except OSError as fault:
            why = fault.strerror or str(fault)
            return f"{setting}: {folder} cannot be written: {why}. Choose a folder of your own."
    if launch.state.health.is_dir():
        return f"STATE_DIR: {launch.state.health} is a folder where a file belongs. Remove it."
    return None


def _prove(folder: Path) -> None:
    """Write, sync and remove a file; raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=".probe.", dir=folder)
    try:
        os.write(descriptor, b"probe")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        with suppress(OSError):
            Path(name).unlink()
