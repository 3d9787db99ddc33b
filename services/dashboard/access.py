"""Pure: may this request be served? Host and Origin rules, and who needs the token.

- A foreign Host is refused (400) before anything else: a web page of somebody else whose name
  was pointed at this machine (DNS rebinding) sends that name as Host, never an IP address.
- A foreign Origin is refused (403): a page of somebody else in the operator's own browser.
- A POST needs the token; the emergency stop without flatten does not when it comes from this
  machine, since stopping is always safe.
- On another host than loopback every GET with money in it needs the token too.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum

from shared.config.parsers import is_loopback


class Access(Enum):
    """What a route is, as far as permission goes."""

    PUBLIC = "no money in it, changes nothing"
    MONEY = "shows money"
    ACTION = "changes something"
    STOP = "the emergency stop"


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the server listens."""

    host: str
    own_names: frozenset[str] = frozenset()
    """Names of this machine that are accepted as Host when it listens beyond loopback."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision looks at."""

    method: str
    host: str
    """The Host header, with its port."""
    origin: str | None
    fetch_site: str | None
    """Sec-Fetch-Site, which browsers send and pages cannot forge."""
    peer_is_local: bool
    """The connection comes from this machine and was not forwarded for somebody else."""
    has_bearer: bool
    """A valid token in the Authorization header."""
    has_session: bool
    """A valid session cookie."""
    fetch_mode: str | None = None
    """Sec-Fetch-Mode: `navigate` when a person follows a link or types an address."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: the HTTP status and one sentence with the mend."""

    status: int
    code: str
    message: str


_HOST = re.compile(
    r"(?:\[(?P<bracketed>[0-9a-f:.]+)\]|(?P<plain>[a-z0-9._-]+))(?::(?P<port>\d{1,5}))?",
    re.ASCII | re.IGNORECASE,
)
_NUMERIC = re.compile(r"(?:.*\.)?\d+", re.ASCII)
PORT_MAX = 65_535


def host_name(header: str) -> str | None:
    """Return the name in a Host header, lower case, without port and brackets; None when the
    whole header is not one name or address with at most a port: two programs could then read two
    names in it.
    """
    found = _HOST.fullmatch(header)
    if found is None or int(found["port"] or 0) > PORT_MAX:
        return None
    name = str(found["bracketed"] or found["plain"]).lower()
    must_be_address = found["bracketed"] is not None or _NUMERIC.fullmatch(name) is not None
    if must_be_address and not _is_address(name):
        return None
    # only version 6 stands in brackets
    return None if found["bracketed"] and ":" not in name else name


def refusal(access: Access, facts: Facts, bound: Bound) -> Refusal | None:
    """Return why the request may not be served, None when it may.

    For `Access.STOP` the caller asks again with `Access.ACTION` once the body says `flatten`.
    """
    return (
        _host_refusal(facts, bound)
        or _origin_refusal(facts)
        or _session_refusal(facts)
        or _token_refusal(access, facts, bound)
    )


def _host_refusal(facts: Facts, bound: Bound) -> Refusal | None:
    name = host_name(facts.host)
    if name is not None:
        if is_loopback(name) or name == bound.host.lower():
            return None
        if not bound.is_loopback and (name in bound.own_names or _is_address(name)):
            return None
    return Refusal(400, "foreign_host", "this server does not answer to that Host name")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _origin_refusal(facts: Facts) -> Refusal | None:
    foreign = Refusal(403, "foreign_origin", "a page of another site may not ask for this")
    # A link on another site may lead here: such a reading request carries no Origin. What a page
    # of another site fetches by itself it could not read, but its streams would take our places.
    follows = facts.method in ("GET", "HEAD") and facts.fetch_mode in (None, "navigate")
    if not follows and facts.fetch_site not in (None, "same-origin", "none"):
        return foreign
    if facts.origin is None:
        return None
    scheme, _, host = facts.origin.partition("://")
    same = scheme in ("http", "https") and host.lower() == facts.host.lower()
    return None if same else foreign


def _session_refusal(facts: Facts) -> Refusal | None:
    """A cookie travels by itself, so it counts only with the browser's word where it is from."""
    if facts.method in ("GET", "HEAD") or not facts.has_session or facts.has_bearer:
        return None
    if facts.origin is None and facts.fetch_site is None:
        return Refusal(403, "no_origin", "a session needs an Origin header; scripts use a bearer")
    return None


def _token_refusal(access: Access, facts: Facts, bound: Bound) -> Refusal | None:
    known = facts.has_bearer or facts.has_session
    if access is Access.PUBLIC or known:
        return None
    if access is Access.MONEY and bound.is_loopback:
        return None
    if access is Access.STOP and facts.peer_is_local:
        return None
    return Refusal(
        401,
        "token_required",
        "sign in on the page, or send 'Authorization: Bearer' with the dashboard token",
    )
