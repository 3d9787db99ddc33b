"""Settings for tests: never the machine's environment, never its .env."""

from __future__ import annotations

from pathlib import Path

from shared.config.settings import Settings, load_settings


def make_settings(folder: Path, **values: str) -> Settings:
    """Return settings whose state and logs lie in the folder; `values` are setting names.

    make_settings(tmp_path, SIM_SPEED="max")
    """
    environ = {
        "SHT_ENV_FILE": "",
        "STATE_DIR": str(folder / "state"),
        "LOG_DIR": str(folder / "logs"),
    }
    return load_settings(environ | values)
