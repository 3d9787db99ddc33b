"""Whether the supervisor that died was guarded by another guardian: by identity, not by time."""

from __future__ import annotations

import pytest

from services.supervisor.own_deaths import is_other_guardian

NOW = (4711, 1_347_721)


@pytest.mark.parametrize(
    ("former", "is_other"),
    [
        pytest.param({"guardian_pid": 4711, "guardian_ticks": 1_347_721}, False, id="the-same"),
        pytest.param({"guardian_pid": 4710, "guardian_ticks": 1_347_720}, True, id="another"),
        pytest.param({"guardian_pid": 4710, "guardian_ticks": 1_347_721}, True, id="same-tick"),
        pytest.param({"guardian_pid": 4711, "guardian_ticks": 1_200_000}, True, id="pid-again"),
        pytest.param({"guardian_pid": None, "guardian_ticks": None}, False, id="never-seen"),
        pytest.param({"generation": 3}, False, id="an-older-file"),
        pytest.param({"guardian_pid": "x", "guardian_ticks": [1]}, False, id="a-foreign-hand"),
        pytest.param(None, False, id="nobody-lived"),
    ],
)
def test_guardian_when_a_supervisor_comes_back_then_known_by_pid_and_start_ticks(
    former: object, is_other: bool
) -> None:
    """A whole tree dies and is back within one tick; the guardian's death is still told."""
    assert is_other_guardian(former, NOW) is is_other
