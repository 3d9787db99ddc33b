"""Which account a mode opens: keys, addresses, confirmation, limits; mixed-up ones are refused."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.config.endpoints import load_endpoints
from shared.config.ignition import load_for_start
from shared.config.settings import Settings
from shared.errors import ConfigFault
from shared.models.mode import Mode
from shared.risk.dollars import DollarLimits

pytestmark = pytest.mark.unit

SECRET = "sesame-0pen-now-9173"
PAPER_KEY, LIVE_KEY = "PKAAAABBBBCCCCDDDD00", "AKAAAABBBBCCCCDDDD00"
LIVE_MODES = ("live_limited", "live")
REAL_MODES = ("paper", *LIVE_MODES)


def start(mode: str, key_id: str, *, confirm: bool = True, **more: str) -> Settings:
    """Return the settings of a start, or raise its faults."""
    said = {"SHT_ENV_FILE": "", "TRADING_MODE": mode, "APCA_API_SECRET_KEY": SECRET}
    return load_for_start(confirm, said | {"APCA_API_KEY_ID": key_id} | more)


def refusal(mode: str, key_id: str, *, confirm: bool = True, **more: str) -> str:
    """Return the words with which a start is refused; always 78, never with a secret."""
    with pytest.raises(ConfigFault) as caught:
        start(mode, key_id, confirm=confirm, **more)
    assert caught.value.exit_code == os.EX_CONFIG
    assert not {SECRET, PAPER_KEY, LIVE_KEY} & set(str(caught.value).replace("=", " ").split())
    return str(caught.value)


def key_of(mode: str) -> str:
    """Return the kind of key that the mode wants."""
    return PAPER_KEY if mode == "paper" else LIVE_KEY


@pytest.mark.parametrize("mode", REAL_MODES)
def test_start_when_the_mode_trades_an_account_then_it_opens_at_its_own_address(mode: str) -> None:
    """Paper and live go to different hosts, over TLS, with the keys of the settings."""
    endpoints = load_endpoints(start(mode, key_of(mode)))

    host = "paper-api.alpaca.markets" if mode == "paper" else "api.alpaca.markets"
    assert endpoints.trading_url == f"https://{host}"
    assert endpoints.trading_stream_url == f"wss://{host}/stream"
    assert endpoints.data_url == "https://data.alpaca.markets"
    assert endpoints.data_stream_url.startswith("wss://stream.data.alpaca.markets/")
    assert (endpoints.key_id, endpoints.secret_key) == (key_of(mode), SECRET)
    assert (endpoints.flow_url, endpoints.flow_token) == (None, None)


@pytest.mark.parametrize("mode", LIVE_MODES)
def test_start_when_real_money_is_not_confirmed_then_refused(mode: str) -> None:
    """Nobody trades real money by a setting alone; paper needs no word."""
    assert "Add --confirm" in refusal(mode, LIVE_KEY, confirm=False)
    assert start("paper", PAPER_KEY, confirm=False).trading_mode is Mode.PAPER


@pytest.mark.parametrize(("mode", "key_id", "kind"), [
    ("paper", LIVE_KEY, "real money"),
    ("live_limited", PAPER_KEY, "the paper account"),
    ("live", PAPER_KEY, "the paper account"),
])  # fmt: skip
def test_start_when_the_key_opens_the_other_account_then_refused(
    mode: str, key_id: str, kind: str
) -> None:
    """The first letters of a key id tell its account; the key itself is not shown."""
    words = refusal(mode, key_id)

    assert f"begins with {key_id[:2]}, so it opens {kind}, but the mode is {mode}" in words
    assert "Use keys of the" in words


@pytest.mark.parametrize("name", ["ALPACA_TRADING_URL", "ALPACA_STREAM_URL"])
@pytest.mark.parametrize("mode", REAL_MODES)
def test_start_when_the_address_is_of_the_other_account_then_refused(mode: str, name: str) -> None:
    """An override that leads to the other account names itself and its mend."""
    host = "api.alpaca.markets" if mode == "paper" else "paper-api.alpaca.markets"
    scheme = "wss" if "STREAM" in name else "https"

    override: dict[str, Any] = {name: f"{scheme}://{host}/x"}
    words = refusal(mode, key_of(mode), **override)

    assert f"{name}={scheme}://{host}/x" in words
    assert "Take it out or mend it" in words


@pytest.mark.parametrize(
    "host",
    [
        "API.alpaca.markets",
        "api.alpaca.markets.",
        "api.alpaca.markets:443",
        "api\u3002alpaca\u3002markets",
        "\uff41pi.alpaca.markets",
        "%61pi.alpaca.markets",
    ],
)
def test_start_when_real_money_is_spelt_oddly_then_it_is_refused_all_the_same(host: str) -> None:
    """Names that resolve to the live host are the live host; others are no hosts at all."""
    words = refusal("paper", "gateway-key", ALPACA_TRADING_URL=f"https://{host}")

    assert "ALPACA_TRADING_URL" in words
    assert "real money" in words or "is no URL of the right kind" in words


@pytest.mark.parametrize("name", ["CONFIRM", "--confirm", "SHT_CONFIRM", "TRADING_CONFIRM"])
def test_start_when_confirmed_by_a_setting_then_it_is_not(name: str) -> None:
    """Only the command line confirms: neither the environment nor an option's namesake does."""
    said: dict[str, Any] = {name: "true"}
    assert "Add --confirm" in refusal("live", LIVE_KEY, confirm=False, **said)


@pytest.mark.parametrize("name", ["CONFIRM", "SHT_CONFIRM", "confirm", "TRADING_CONFIRM"])
def test_start_when_the_env_file_confirms_then_it_is_not_and_the_name_is_told(
    tmp_path: Path, name: str
) -> None:
    """A line that is copied from machine to machine must never let real money out."""
    file = tmp_path / ".env"
    file.write_text(f"TRADING_MODE=live\n{name}=true\nAPCA_API_KEY_ID={LIVE_KEY}\n", "utf-8")
    file.chmod(0o600)

    with pytest.raises(ConfigFault) as caught:
        load_for_start(False, {"APCA_API_SECRET_KEY": SECRET}, file)

    assert "Add --confirm" in str(caught.value)
    assert name.upper() in str(caught.value).upper().replace("--CONFIRM", "")


@pytest.mark.parametrize(
    ("mode", "caps"),
    [("sim", (None, None)), ("paper", (500, 2000)), ("live_limited", (None, None)),
     ("live", (500, 2000))],
)  # fmt: skip
def test_caps_when_nothing_is_said_then_those_of_the_mode_and_zero_never_lifts_them(
    mode: str, caps: tuple[int | None, int | None]
) -> None:
    """Caps for first steps with real habits; percentages alone where the mode is limited itself."""
    limits = start(mode, key_of(mode)).limits

    assert (limits.position_size_usd_max, limits.notional_per_order_usd_max) == caps
    assert limits.open_positions_max == (3 if mode == "live_limited" else 10)
    for name in ("MAX_POSITION_SIZE_USD", "MAX_NOTIONAL_PER_ORDER"):
        for value in ("0", "-1", "nan", "inf", "1e9"):
            said: dict[str, Any] = {name: value}
            assert name in refusal(mode, key_of(mode), **said)


def test_live_limited_when_equity_is_10625_then_its_own_settings_bind_at_five_and_two_percent() -> (
    None
):
    """The limits that a start in this mode hands to the guard, without any cap in dollars."""
    dollars = DollarLimits.of(start("live_limited", LIVE_KEY).limits, Decimal("10625.05"))

    assert (str(dollars.position), str(dollars.notional)) == ("531.25", "531.25")
    assert (str(dollars.daily_loss), dollars.open_positions_max) == ("212.50", 3)


@pytest.mark.parametrize("mode", LIVE_MODES)
def test_start_when_chaos_is_asked_for_with_real_money_then_refused(mode: str) -> None:
    """Faults are for play money."""
    words = refusal(mode, LIVE_KEY, CHAOS_MODE="alpaca_down")

    assert f"CHAOS_MODE=alpaca_down: is refused in mode {mode}" in words


def test_start_when_everything_is_mixed_up_then_all_of_it_is_told_at_once() -> None:
    """Key, address, chaos, confirmation: one run names every fault."""
    words = refusal(
        "live",
        PAPER_KEY,
        confirm=False,
        CHAOS_MODE="bot_hang",
        ALPACA_TRADING_URL="https://paper-api.alpaca.markets",
    )

    assert words.startswith("4 settings are wrong:")


def test_key_when_it_has_no_known_prefix_then_the_broker_decides() -> None:
    """Gateways have keys of their own."""
    assert start("live", "gateway-key").trading_mode is Mode.LIVE
