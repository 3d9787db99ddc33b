"""Which process of this machine stands at the other end of a connection."""

from __future__ import annotations

import re

_SERVICE = re.compile(r"services\.(\w+)")


def process_names(client_port: int, own_port: int) -> frozenset[str]:
    """Return the caller's process id and, for a service of ours, its name (trading-bot).

    Empty for a process of another machine or user. Reads /proc: asked only while a fault is
    scoped by process, once a connection.
    """
    import psutil

    for row in psutil.net_connections("tcp"):
        if not row.laddr or not row.raddr or row.pid is None:
            continue
        if (row.laddr.port, row.raddr.port) != (client_port, own_port):
            continue
        try:
            words = psutil.Process(row.pid).cmdline()
        except psutil.Error:
            return frozenset()
        services = {
            found[1].replace("_", "-") for word in words if (found := _SERVICE.fullmatch(word))
        }
        return frozenset({str(row.pid), *services})
    return frozenset()
