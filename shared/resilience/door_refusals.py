"""What a door itself says no to, each with what it means for a write that met it."""

from __future__ import annotations

from shared.errors import ConfigFault, SystemFault, TransientFault
from shared.resilience.classification_rows import Placement

SEE_OTHER = 303
"""Says where the result of the request can be seen: it has been done."""


class _Redirect(SystemFault):
    """A call was answered with a redirect, which nobody follows."""

    def __init__(self, call: str, status: int) -> None:
        super().__init__(f"{call} was answered with a redirect, {status}")
        self.placement = Placement.UNKNOWN if status == SEE_OTHER else Placement.NOT_PLACED


class RedirectRefused(_Redirect, ConfigFault):
    """The first answer ever was a redirect: the address in the settings is wrong."""


class RedirectedAway(_Redirect, TransientFault):
    """An address that has served answers with a redirect: somebody stands in between."""


class HollowReply(TransientFault):
    """A read succeeded in nothing: a gateway answers in the broker's place."""


class CallWithheld(TransientFault):
    """The door itself held a call back: a breaker is open or a ceiling is reached."""

    placement = Placement.NOT_PLACED


class CertificateChanged(TransientFault):
    """An address that has served shows a certificate that nobody vouches for: one that ran out, or
    somebody in between. Nothing was said to it, and it passes without a hand of ours.
    """

    placement = Placement.NOT_PLACED
