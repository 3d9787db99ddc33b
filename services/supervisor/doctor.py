"""`doctor`: looks for the usual faults of machine and folder, and says the mend of each.

Standard library only where it can be: it is asked when something is broken, perhaps the
installation itself.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from services.supervisor.doctor_checks import CHECKS, Complaint, Patient
from services.supervisor.folders import log_folder, named_setting, state_folder
from services.supervisor.launch import REPOSITORY
from services.supervisor.terminal import printable, say
from shared.clock import SystemClock
from shared.commands.control_client import ControlClient
from shared.config.paths import StatePaths

SCHEMA_VERSION = 1


def doctor(arguments: argparse.Namespace) -> int:
    """Print every fault with its mend; 0 when there is none, 1 otherwise."""
    state = StatePaths(state_folder(arguments))
    patient = Patient(
        state=state,
        log_dir=log_folder(arguments),
        env_file=_env_file(arguments.env_file),
        setting=lambda name: named_setting(name, arguments.env_file),
        is_running=ControlClient(state, timeout_s=5.0).is_alive(),
        now=SystemClock().utc_now(),
    )
    found = {name: looked_at(check, patient) for name, check in CHECKS.items()}
    if arguments.json:
        say(json.dumps(_as_document(found), indent=2))
    else:
        _show(found)
    return 1 if any(found.values()) else 0


def looked_at(
    check: Callable[[Patient], Iterable[Complaint]], patient: Patient
) -> tuple[Complaint, ...]:
    """Return what one check complains of. One that cannot look says so and keeps no other back:
    where doctor is asked, things are broken.
    """
    found: list[Complaint] = []
    try:
        found.extend(check(patient))
    except OSError as failure:
        mend = "look at rights and disk there, and ask again as the user who runs the system"
        found.append(Complaint(f"could not be looked at: {failure}", mend))
    except Exception as failure:  # whatever it was, the other checks must go on
        what = f"could not be looked at: {type(failure).__name__}: {failure}"
        found.append(Complaint(what, "report this"))
    return tuple(found)


def _env_file(named: str | None) -> Path:
    return Path(named or os.environ.get("SHT_ENV_FILE") or REPOSITORY / ".env")


def _as_document(found: dict[str, tuple[Complaint, ...]]) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "well": not any(found.values()),
        "checks": [
            {
                "name": name,
                "faults": [{"fault": one.fault, "mend": one.mend} for one in complaints],
            }
            for name, complaints in found.items()
        ],
    }


def _show(found: dict[str, tuple[Complaint, ...]]) -> None:
    for name, complaints in found.items():
        say(f"{name}: {'well' if not complaints else ''}".rstrip())
        for one in complaints:
            say(f"  - {printable(one.fault)}")
            say(f"    mend: {printable(one.mend)}")
