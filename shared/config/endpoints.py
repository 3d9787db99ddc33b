"""Where the broker is: in sim the embedded exchange's own addresses, else the mode's.

`state/run/endpoints.json` (CONTRACTS.md section 4) is written by the supervisor alone: it
chooses the exchange's port and keys once per state folder and keeps them. Keys of a real broker
never stand in it.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.config.parsers import WrongValue, is_loopback, token, url
from shared.errors import ConfigFault, SchemaFault, TransientFault
from shared.models.mode import Mode

if TYPE_CHECKING:
    # Only for the annotation: the supervisor writes this file without carrying pydantic.
    from pydantic import SecretStr

    from shared.config.settings import Settings

DEFAULT_SYMBOLS = (
    "AAPL", "AMD", "AMZN", "BAC", "GOOG", "JPM", "MSFT", "NVDA", "QQQ", "SPY", "TSLA", "XOM",
)  # fmt: skip
"""What is traded when SYMBOLS is empty and no replay says otherwise."""

ENDPOINTS_BYTES_MAX = 65_536
_EXCHANGE_KEYS = (
    "exchange_url",
    "exchange_stream_url",
    "exchange_data_stream_url",
    "exchange_key_id",
    "exchange_secret_key",
)
_DATA_URL = "https://data.alpaca.markets"
_DATA_STREAM_URL = "wss://stream.data.alpaca.markets/v2/iex"
_PAPER = ("https://paper-api.alpaca.markets", "wss://paper-api.alpaca.markets/stream")
_LIVE = ("https://api.alpaca.markets", "wss://api.alpaca.markets/stream")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses and keys of the account that the mode trades. The repr shows no key."""

    trading_url: str
    data_url: str
    """Bases of the two REST interfaces; the embedded exchange has one for both."""
    trading_stream_url: str
    data_stream_url: str
    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    dashboard_url: str | None = None
    flow_url: str | None = None
    flow_token: str | None = field(default=None, repr=False)
    """Unusual Whales; None: the flow feed is off. The embedded exchange plays this vendor, too, on
    the same address, and takes its own key for a token.
    """


def exchange_endpoints(port: int, key_id: str, secret_key: str) -> Endpoints:
    """Return the addresses of an embedded exchange on that port of this machine."""
    return Endpoints(
        trading_url=f"http://127.0.0.1:{port}",
        data_url=f"http://127.0.0.1:{port}",
        trading_stream_url=f"ws://127.0.0.1:{port}/stream",
        data_stream_url=f"ws://127.0.0.1:{port}/v2/iex",
        key_id=key_id,
        secret_key=secret_key,
        flow_url=f"http://127.0.0.1:{port}",
        flow_token=key_id,
    )


def load_endpoints(settings: Settings) -> Endpoints:
    """Return where the settings' account is.

    In sim raises TransientFault while the supervisor has not yet written its file, SchemaFault
    when the file is not what it writes.
    """
    if settings.trading_mode is Mode.SIM:
        found = read_endpoints(settings.state.endpoints)
        if found is None:
            raise TransientFault(
                "no embedded exchange is known: endpoints.json is missing; "
                "start everything with python deploy_supervisor.py"
            )
        return found
    if settings.broker_key_id is None or settings.broker_secret is None:
        raise ConfigFault("APCA_API_KEY_ID and APCA_API_SECRET_KEY are not set")
    trading_url, stream_url = _LIVE if settings.trading_mode.is_live else _PAPER
    return Endpoints(
        trading_url=settings.alpaca_trading_url or trading_url,
        data_url=settings.alpaca_data_url or _DATA_URL,
        trading_stream_url=settings.alpaca_stream_url or stream_url,
        data_stream_url=settings.alpaca_data_stream_url or _DATA_STREAM_URL,
        key_id=settings.broker_key_id.get_secret_value(),
        secret_key=settings.broker_secret.get_secret_value(),
        flow_url=settings.uw_url if settings.uw_api_token is not None else None,
        flow_token=_revealed(settings.uw_api_token),
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def read_endpoints(path: Path) -> Endpoints | None:
    """Return the exchange of the file, None when the file, or an exchange in it, is missing.

    Raises TransientFault when it cannot be read, SchemaFault when it is not what we write.
    """
    document = _read_document(path)
    if document is None or "exchange_url" not in document:
        return None
    texts = [document.get(key) for key in _EXCHANGE_KEYS]
    dashboard_url = document.get("dashboard_url")
    if not all(isinstance(text, str) and text for text in texts):
        raise SchemaFault(f"endpoints.json lacks one of {', '.join(_EXCHANGE_KEYS)}")
    trading_url, stream_url, data_stream_url, key_id, secret_key = map(str, texts)
    _check_addresses((trading_url,), ("http", "https"))
    _check_addresses((stream_url, data_stream_url), ("ws", "wss"))
    _check_keys(key_id, secret_key)
    return Endpoints(
        trading_url=trading_url,
        data_url=trading_url,
        trading_stream_url=stream_url,
        data_stream_url=data_stream_url,
        key_id=key_id,
        secret_key=secret_key,
        dashboard_url=dashboard_url if isinstance(dashboard_url, str) else None,
        flow_url=trading_url,
        flow_token=key_id,
    )


def _check_addresses(addresses: tuple[str, ...], schemes: tuple[str, str]) -> None:
    for address in addresses:
        try:
            parts = urlsplit(url(*schemes)(address))
        except WrongValue:
            raise SchemaFault("endpoints.json holds an address that is none") from None
        if not is_loopback(parts.hostname or ""):
            # A simulated account must never become a real one by an edited file.
            raise SchemaFault("endpoints.json names an exchange that is not on this machine")
        if parts.port is None:
            raise SchemaFault("endpoints.json holds an address without a port")


def _check_keys(*keys: str) -> None:
    """Raise SchemaFault for a key that no header can carry; the key itself is not shown."""
    try:
        for key in keys:
            token(key)
    except WrongValue:
        raise SchemaFault("endpoints.json holds a key that is none") from None


def read_dashboard_url(path: Path) -> str | None:
    """Return where the page is, None when nobody has said so yet (any mode).

    Raises as read_endpoints does.
    """
    document = _read_document(path)
    address = None if document is None else document.get("dashboard_url")
    return address if isinstance(address, str) else None


def _read_document(path: Path) -> dict[str, object] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(ENDPOINTS_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise TransientFault(f"endpoints.json cannot be read: {failure.strerror}") from failure
    if len(raw) > ENDPOINTS_BYTES_MAX:
        raise SchemaFault("endpoints.json is too large to be ours")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        # The parser's own message quotes the text, and the text holds keys.
        document = None
    if not isinstance(document, dict):
        raise SchemaFault("endpoints.json is not a JSON object")
    return document


def write_endpoints(path: Path, *, exchange: Endpoints | None, dashboard_url: str | None) -> None:
    """Replace the file, durably, mode 0600; the folder is made when missing.

    `exchange` is the embedded exchange, None outside sim: real keys are never written. Raises
    TransientFault when the disk refuses.
    """
    document: dict[str, str] = {}
    if dashboard_url is not None:
        document["dashboard_url"] = dashboard_url
    if exchange is not None:
        texts = (
            exchange.trading_url,
            exchange.trading_stream_url,
            exchange.data_stream_url,
            exchange.key_id,
            exchange.secret_key,
        )
        document.update(zip(_EXCHANGE_KEYS, texts, strict=True))
    data = (json.dumps(document, indent=2) + "\n").encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace_durably(path, temporary, data)
    except OSError as failure:
        temporary.unlink(missing_ok=True)
        raise TransientFault(f"endpoints.json cannot be written: {failure.strerror}") from failure


def _replace_durably(path: Path, temporary: Path, data: bytes) -> None:
    # The layers forbid shared.persistence here: it stands above the settings.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
