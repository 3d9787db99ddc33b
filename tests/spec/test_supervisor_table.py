"""Own entries of the service table: all that may be said, and what may not."""

from __future__ import annotations

import pytest

from services.supervisor.table import OWN_VARIABLES, Defaults, parse_table
from shared.errors import ConfigFault

pytestmark = pytest.mark.unit

DEFAULTS = Defaults(max_failures=5, window_s=600.0)
WHOLE = """
[service.first]
module = "services.dashboard"

[service.own]
command = ["/bin/sleep", "9"]
critical = true
notify = false
needs = ["first"]
modes = ["sim", "paper"]
ready_s = 3.0
beat_s = 0.5
watchdog_s = 4.0
stop_s = 2.5
max_failures = 3
window_minutes = 2
backoff_base_s = 0.25
backoff_cap_s = 8.0
backoff_jitter = 0.1
stable_s = 20.0
memory_max_mb = 64
environment = { COLOUR = "green" }
"""


def test_row_when_it_says_everything_then_every_word_rules() -> None:
    """No key is read and then forgotten."""
    _, own = parse_table(WHOLE, "paper", DEFAULTS)

    assert (own.name, own.command, own.critical) == ("own", ("/bin/sleep", "9"), True)
    assert own.needs == ("first",)
    assert (own.beat.notify, own.beat.ready_s) == (False, 3.0)
    assert (own.beat.beat_s, own.beat.watchdog_s) == (0.5, 4.0)
    rule = own.restart
    assert (rule.max_failures, rule.window_s, rule.stable_s) == (3, 120.0, 20.0)
    assert (rule.base_s, rule.cap_s, rule.jitter) == (0.25, 8.0, 0.1)
    assert (own.stop_s, own.memory_max_bytes) == (2.5, 64 * 1024 * 1024)
    assert own.environment == {"COLOUR": "green"}


def test_row_when_it_says_the_least_then_the_settings_give_n_and_m() -> None:
    """N and M come from the settings where a row is silent."""
    (only,) = parse_table('[service.x]\nmodule = "services.x"', "sim", DEFAULTS)

    assert (only.restart.max_failures, only.restart.window_s) == (5, 600.0)
    assert (only.critical, only.beat.notify, only.memory_max_bytes) == (False, True, None)


@pytest.mark.parametrize("name", sorted(OWN_VARIABLES))
def test_environment_when_it_holds_what_is_the_supervisors_then_refused(name: str) -> None:
    """A service that carried another's cookie could not be found, or another would be ended."""
    text = f'[service.x]\nmodule = "services.x"\nenvironment = {{ {name} = "1" }}'

    with pytest.raises(ConfigFault, match=f"service x: environment has {name}"):
        parse_table(text, "sim", DEFAULTS)


def test_faults_when_many_then_all_are_named_at_once() -> None:
    """One look at the message mends the whole file."""
    text = (
        '[service.x]\ncommand = []\ncritical = 1\nneeds = ["y"]\nready_s = 0\nmemory_max_mb = "a"\n'
        'environment = { STATE_DIR = "z" }\nmodes = ["fast"]\ncolour = 1\nwatchdog_s = 0.5\n'
    )

    with pytest.raises(ConfigFault) as refused:
        parse_table(text, "sim", DEFAULTS)

    told = str(refused.value)
    for key in (
        "command", "critical", "needs", "ready_s", "memory_max_mb", "environment", "modes",
        "colour", "watchdog_s",
    ):  # fmt: skip
        assert key in told
