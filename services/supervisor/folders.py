"""Where state and logs lie, found without the settings library: for status, stop and tail."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from services.supervisor.launch import REPOSITORY

DEFAULTS = {"STATE_DIR": "state", "LOG_DIR": "logs"}


def state_folder(arguments: argparse.Namespace) -> Path:
    """Return the absolute state folder that the arguments, environment or .env name."""
    return _folder(arguments.state_dir, "STATE_DIR", arguments.env_file)


def log_folder(arguments: argparse.Namespace) -> Path:
    """Return the absolute log folder, found in the same way."""
    return _folder(arguments.log_dir, "LOG_DIR", arguments.env_file)


def _folder(option: str | None, setting: str, env_file: str | None) -> Path:
    named = option or os.environ.get(setting, "").strip() or _from_file(setting, env_file)
    return Path(named).absolute() if named else REPOSITORY / DEFAULTS[setting]


def _from_file(setting: str, env_file: str | None) -> str:
    path = Path(env_file or os.environ.get("SHT_ENV_FILE") or REPOSITORY / ".env")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip() == setting:
            return value.strip().strip("'\"")
    return ""
