"""Where state and logs lie, found without the settings library: for status, stop and tail."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from services.supervisor.launch import REPOSITORY
from services.supervisor.small_files import text_of_file

DEFAULTS = {"STATE_DIR": "state", "LOG_DIR": "logs"}
ENV_FILE_BYTES_MAX = 1_000_000
_QUOTED = re.compile(r"""(['"])(.*?)\1""")
_COMMENT = re.compile(r"\s+#.*")


def state_folder(arguments: argparse.Namespace) -> Path:
    """Return the absolute state folder that the arguments, environment or .env name."""
    return _folder(arguments.state_dir, "STATE_DIR", arguments.env_file)


def log_folder(arguments: argparse.Namespace) -> Path:
    """Return the absolute log folder, found in the same way."""
    return _folder(arguments.log_dir, "LOG_DIR", arguments.env_file)


def named_setting(setting: str, env_file: str | None) -> str:
    """Return the text of a setting from environment or .env, empty when it is not set."""
    return os.environ.get(setting, "").strip() or _from_file(setting, env_file)


def _folder(option: str | None, setting: str, env_file: str | None) -> Path:
    named = option or named_setting(setting, env_file)
    return _of_user(named).absolute() if named else REPOSITORY / DEFAULTS[setting]


def _of_user(named: str) -> Path:
    try:
        return Path(named).expanduser()
    except RuntimeError:
        return Path(named)


def _from_file(setting: str, env_file: str | None) -> str:
    inherited = os.environ.get("SHT_ENV_FILE")
    if env_file is None and inherited == "":
        return ""
    try:
        path = Path(env_file or inherited or REPOSITORY / ".env")
        lines = text_of_file(path, ENV_FILE_BYTES_MAX).splitlines()
    except (OSError, ValueError):
        return ""
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip() == setting:
            return _plain(value.strip())
    return ""


def _plain(value: str) -> str:
    """Return a value without its quotes or the comment behind it, as `run` reads it."""
    quoted = _QUOTED.match(value)
    return quoted[2].strip() if quoted else _COMMENT.sub("", value).strip()
