"""state/run/endpoints.json: the exchange's port and keys, chosen once, and where the page is."""

from __future__ import annotations

import logging
import secrets
import socket
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

from services.supervisor.context import Context
from shared.config.endpoints import (
    Endpoints,
    exchange_endpoints,
    read_dashboard_url,
    read_endpoints,
    write_endpoints,
)
from shared.errors import SystemFault, TransientFault
from shared.telemetry.logs import log_event

LOOPBACK = "127.0.0.1"
SIM = "sim"


def settle_exchange(context: Context, *, exchange_runs: bool) -> None:
    """Make sure that the file names an exchange that can be served, before anything is started.

    Port and keys are kept as long as the port can be had. Raises TransientFault when they had to
    be chosen and the file cannot be written; that the file as it stands cannot be freshened is
    no reason to leave services alone.
    """
    if context.launch.mode != SIM:
        _write(context, None, needed=False)
        return
    known = _known(context)
    wanted = context.launch.sim_port
    port = _port_of(known)
    if known is not None and exchange_runs:
        return
    if wanted is not None:
        port = wanted
    elif port is None or not _is_free(port):
        port = _free_port()
    key_id = f"SIM{secrets.token_hex(8).upper()}" if known is None else known.key_id
    secret = secrets.token_urlsafe(30) if known is None else known.secret_key
    exchange = exchange_endpoints(port, key_id, secret)
    needed = known is None or replace(known, dashboard_url=None) != exchange
    _write(context, exchange, needed=needed)


def _write(context: Context, exchange: Endpoints | None, *, needed: bool) -> None:
    try:
        write_endpoints(context.launch.state.endpoints, exchange=exchange, dashboard_url=None)
    except TransientFault as fault:
        if needed:
            raise
        log_event(context.logger, "endpoints_not_written", str(fault), level=logging.WARNING)


def note_dashboard(context: Context, host: str, port: int) -> str:
    """Add where the page is; return its address."""
    shown = LOOPBACK if host in ("", "0.0.0.0", "::") else host  # nosec B104 # compared, not bound
    url = f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
    try:
        path = context.launch.state.endpoints
        exchange = read_endpoints(path)
        if read_dashboard_url(path) != url:
            write_endpoints(path, exchange=exchange, dashboard_url=url)
    except SystemFault as fault:
        log_event(context.logger, "endpoints_not_written", str(fault))
    return url


def _known(context: Context) -> Endpoints | None:
    """Return what is written; a file that is broken is chosen anew, for it holds no truth."""
    try:
        return read_endpoints(context.launch.state.endpoints)
    except SystemFault as fault:
        log_event(context.logger, "endpoints_renewed", str(fault))
        return None


def _port_of(endpoints: Endpoints | None) -> int | None:
    return None if endpoints is None else urlsplit(endpoints.trading_url).port


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        number: int = probe.getsockname()[1]
        return number
