"""How a wrong setting is told: which one, what it holds, what is wrong, how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.errors import ConfigFault
from shared.models.mode import Mode

HIDDEN = "***"
VALUE_CHARACTERS_MAX = 80
SECRET_CHARACTERS_MIN = 6
_USERINFO = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One wrong setting. `value` is fit to be shown: masked when it is, or may be, a secret."""

    setting: str
    value: str | None
    """None when nothing is set."""
    problem: str
    mend: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f"={self.value}"
        return f"{self.setting}{shown}: {self.problem}. {self.mend}."


class SettingsFault(ConfigFault):
    """Every fault of the settings at once. The message lists them, one per line."""

    def __init__(
        self,
        faults: Sequence[SettingFault],
        *,
        mode: Mode | None = None,
        hidden: Iterable[str] = (),
    ) -> None:
        """`mode` is the one asked for, when that much could be read; `hidden` are secrets that
        the message must not show, wherever they were put by mistake.
        """
        secrets = sorted(hidden, key=len, reverse=True)
        self.faults = tuple(_masked(fault, secrets) for fault in faults)
        self.mode = mode
        count = "one setting is" if len(self.faults) == 1 else f"{len(self.faults)} settings are"
        lines = [f"{count} wrong:"] + [f"  - {fault}" for fault in self.faults]
        super().__init__("\n".join(lines))

    def joined(self, more: Sequence[SettingFault]) -> SettingsFault:
        """Return the same fault with more of them behind."""
        return SettingsFault(self.faults + tuple(more), mode=self.mode)


def _masked(fault: SettingFault, secrets: Sequence[str]) -> SettingFault:
    return SettingFault(
        mask(fault.setting, secrets),
        None if fault.value is None else mask(fault.value, secrets),
        mask(fault.problem, secrets),
        mask(fault.mend, secrets),
    )


def mask(text: str, hidden: Iterable[str]) -> str:
    """Return the text with every hidden value replaced by ***.

    Values of fewer than six characters stay: masking them would garble ordinary words.
    """
    for secret in hidden:
        if len(secret) >= SECRET_CHARACTERS_MIN:
            text = text.replace(secret, HIDDEN)
    return text


def shown_value(value: str, *, is_secret: bool) -> str:
    """Return a value as a message may show it: no secret, no password of a URL, no flood."""
    if is_secret:
        return HIDDEN
    plain = ascii(_USERINFO.sub(f"//{HIDDEN}@", value))[1:-1]
    if len(plain) > VALUE_CHARACTERS_MAX:
        plain = plain[:VALUE_CHARACTERS_MAX] + "…"
    return plain
