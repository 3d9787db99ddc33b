"""`bundle`: packs state, health history, logs around an incident, versions and settings.

Every secret that is configured is taken out of every byte before it is packed, and the finished
archive is read once more: one in which a secret is found is destroyed, not delivered.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import sys
import tarfile
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from services.supervisor.bundle_parts import Window, log_parts, settings_part, state_parts
from services.supervisor.bundle_secrets import Redactor, configured_secrets
from services.supervisor.dependencies import IMPORT_NAMES
from services.supervisor.folders import log_folder, state_folder
from services.supervisor.last_health import last_health
from services.supervisor.terminal import say
from shared.clock import SystemClock, parse_utc, utc_text
from shared.config.paths import LogPaths, StatePaths

SCHEMA_VERSION = 1
EXIT_USAGE = 2


def bundle(arguments: argparse.Namespace) -> int:
    """Write the archive and print its name; 1 when it could not be made or held a secret."""
    state, logs = StatePaths(state_folder(arguments)), LogPaths(log_folder(arguments))
    clock = SystemClock()
    try:
        window = _window(arguments, state)
    except (ValueError, OverflowError) as fault:
        say(f"--at, --minutes: {fault}", sys.stderr)
        return EXIT_USAGE
    env_file = Path(arguments.env_file) if arguments.env_file else None
    redactor = Redactor(configured_secrets(state, env_file))
    parts = {
        **state_parts(state),
        **log_parts(logs, window),
        "settings.json": settings_part(env_file),
    }
    clean = {name: redactor.clean(data) for name, data in sorted(parts.items())}
    made_at = clock.utc_now()
    clean["manifest.json"] = redactor.clean(_manifest(clean, window, utc_text(made_at)))
    out = Path(arguments.out or f"bundle-{made_at:%Y%m%dT%H%M%SZ}.tar.gz")
    try:
        _write(out, clean)
    except FileExistsError:
        say(f"{out} exists already", sys.stderr)
        return 1
    except OSError as fault:
        out.unlink(missing_ok=True)  # half of it would be taken for the whole
        say(f"{out} cannot be written: {fault.strerror}", sys.stderr)
        return 1
    if _holds_secret(out, redactor):
        out.unlink()
        say("a secret was found in the archive, so it was destroyed; report this", sys.stderr)
        return 1
    _tell(arguments, out, clean)
    return os.EX_OK


def _window(arguments: argparse.Namespace, state: StatePaths) -> Window | None:
    """The time around the moment that is named, else around the last incident; None: the end."""
    around = timedelta(minutes=arguments.minutes)
    at = _last_incident(state) if arguments.at is None else parse_utc(arguments.at)
    return None if at is None else Window(utc_text(at - around), utc_text(at + around))


def _last_incident(state: StatePaths) -> datetime | None:
    incidents = last_health(state.health).get("incidents") or []
    newest = incidents[-1] if incidents and isinstance(incidents[-1], dict) else {}
    try:
        return parse_utc(newest["at"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _manifest(parts: dict[str, bytes], window: Window | None, made_at: str) -> bytes:
    document = {
        "schema_version": SCHEMA_VERSION,
        "made_at": made_at,
        "window": None if window is None else {"from": window.since, "to": window.until},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version_of(name) for name in sorted(IMPORT_NAMES)},
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in parts.items()
        },
    }
    return json.dumps(document, indent=1).encode()


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _write(out: Path, parts: dict[str, bytes]) -> None:
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in parts.items():
            entry = tarfile.TarInfo(f"bundle/{name}")
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))


def _holds_secret(out: Path, redactor: Redactor) -> bool:
    with tarfile.open(out) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            if redactor.finds(entry.name.encode()) or (
                content is not None and redactor.finds(content.read())
            ):
                return True
    return False


def _tell(arguments: argparse.Namespace, out: Path, parts: dict[str, bytes]) -> None:
    if arguments.json:
        document = {"schema_version": SCHEMA_VERSION, "file": str(out), "files": sorted(parts)}
        say(json.dumps(document, indent=2))
        return
    say(str(out))
    say(f"{len(parts)} files, no configured secret in any of them", sys.stderr)
