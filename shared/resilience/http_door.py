"""The one way out over HTTP, for our own calls: JSON in, JSON out, faults raised.

The rules live in the adapter (door_adapter.py), so that a vendor's client whose session carries
it obeys them, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import requests

from shared.resilience.classification import classify_reply, fault_from, fault_of
from shared.resilience.direct_session import DirectSession
from shared.resilience.door_adapter import DoorAdapter
from shared.resilience.door_refusals import CallWithheld, RedirectedAway, RedirectRefused
from shared.resilience.door_rules import DoorHost, DoorRules, FailedCall
from shared.resilience.governor import RateReading

__all__ = [
    "HttpDoor",
    "mount",
    "DoorAdapter",
    "DoorRules",
    "DoorHost",
    "FailedCall",
    "RateReading",
    "CallWithheld",
    "RedirectRefused",
    "RedirectedAway",
]


class HttpDoor:
    """A session behind the adapter."""

    def __init__(
        self, adapter: DoorAdapter, headers: Mapping[str, str], *, identity: str = "sht"
    ) -> None:
        self.adapter = adapter
        self.session = DirectSession()
        # Neither proxies nor .netrc of the environment: keys go where the settings say.
        self.session.trust_env = False
        self.session.headers.update({**headers, "User-Agent": identity})
        mount(self.session, adapter)

    def get_json(self, url: str, params: Mapping[str, str] | None = None) -> object:
        """Return the decoded reply of a GET, numbers with a point as Decimal.

        Raises SystemFault of the right family for everything else than a readable 2xx.
        """
        return self._call("GET", url, None, {"params": params})

    def post_json(self, url: str, body: Mapping[str, object], total_s: float) -> object:
        """Return the decoded reply of one POST, which is never repeated and may stay silent
        and last for `total_s`. Raises as `get_json`.
        """
        return self._call("POST", url, (total_s, total_s), {"json": dict(body)})

    def close(self) -> None:
        """End pauses between tries and let the connections go."""
        self.adapter.closing.set()
        self.session.close()

    def _call(
        self, method: str, url: str, bounds: tuple[float, float] | None, content: dict[str, Any]
    ) -> object:
        call = f"{method} {url}"
        try:
            reply = self.session.request(
                method, url, timeout=bounds, allow_redirects=False, **content
            )
            if not reply.ok:
                raise fault_of(classify_reply(reply.status_code, reply.text), call)
            return json.loads(reply.content, parse_float=Decimal)
        except Exception as error:
            # Whatever a reply can make Python or a library say: nothing foreign passes a door.
            raise fault_from(error, call) from error


def mount(session: requests.Session, adapter: DoorAdapter) -> None:
    """Put a session, ours or a vendor's, under the adapter's rules."""
    session.mount("http://", adapter)
    session.mount("https://", adapter)
