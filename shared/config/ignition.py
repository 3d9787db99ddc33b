"""Whether a start is allowed at all: what a loaded setting cannot say by itself.

settings = load_for_start(confirm=arguments.confirm, env_file=..., overrides=...)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shared.config.faults import SettingFault, SettingsFault
from shared.config.settings import Settings, load_settings
from shared.models.mode import Mode


def load_for_start(
    confirm: bool,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings of a system that may start, or raise SettingsFault (a ConfigFault).

    The faults of the settings and those of the start are told together.
    """
    try:
        settings = load_settings(environ, env_file, overrides)
    except SettingsFault as fault:
        more = [] if fault.mode is None else validate_for_live_mode(fault.mode, confirm)
        raise fault.joined(more) from None
    validate_for_start(settings, confirm)
    return settings


def validate_for_start(settings: Settings, confirm: bool) -> None:
    """Raise SettingsFault (a ConfigFault, exit 78) unless this system may start."""
    faults = validate_for_live_mode(settings.trading_mode, confirm)
    if faults:
        raise SettingsFault(faults, mode=settings.trading_mode, hidden=settings.secret_values())


def validate_for_live_mode(mode: Mode, confirm: bool) -> list[SettingFault]:
    """Return the fault of a live mode that nobody confirmed; empty otherwise."""
    if not mode.is_live or confirm:
        return []
    return [
        SettingFault(
            "--confirm",
            None,
            f"mode {mode} trades real money and was not confirmed",
            "Add --confirm to the command line",
        )
    ]
