"""Every setting with its type, range and default: the typed form of CONTRACTS.md section 3.

The name in the environment is the field's name in capitals. `None` as a default means that the
mode decides, or that the thing is off.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AliasGenerator, PlainValidator, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.config import parsers as p
from shared.config.strategy_files import OWN_STRATEGIES, strategy_words
from shared.models.mode import Mode

CHAOS_OFF = "off"
CHAOS_FAULTS = (
    "alpaca_down",
    "invalid_creds",
    "supervisor_crash",
    "state_corrupt",
    "reply_lost",
    "rate_limited",
    "slow_broker",
    "schema_drift",
    "stream_silent",
    "stale_data",
    "uw_down",
    "bot_crash_loop",
    "bot_hang",
    "data_daemon_kill",
    "dashboard_kill",
    "disk_full",
    "clock_jump",
    "guardian_kill",
)
"""CONTRACTS.md section 9."""

SECRETS = frozenset(
    {
        "APCA_API_KEY_ID",
        "APCA_API_SECRET_KEY",
        "UW_API_TOKEN",
        "DASHBOARD_TOKEN",
        "ALERT_URLS",
        "TELEGRAM_BOT_TOKEN",
        "HEARTBEAT_PING_URL",
    }
)
"""Settings whose values are never shown: keys, tokens, and URLs that are keys themselves."""

ALIASES = {
    "ALPACA_API_KEY": "APCA_API_KEY_ID",
    "ALPACA_SECRET_KEY": "APCA_API_SECRET_KEY",  # nosec B105 # a name, no secret
}
"""Other names of the same settings."""


def _modes(text: object) -> Mode:
    return Mode(p.one_of([mode.value for mode in Mode])(text))


def _secret(text: object) -> SecretStr:
    return SecretStr(p.token(text))


def _secret_url(text: object) -> SecretStr:
    return SecretStr(p.url("http", "https")(text))


def _secret_list(text: object) -> tuple[SecretStr, ...]:
    return tuple(SecretStr(item) for item in p.listed(text))


FractionOfAll = Annotated[Decimal, PlainValidator(p.fraction("1"))]
FractionOfHalf = Annotated[Decimal, PlainValidator(p.fraction("0.5"))]
FractionOfTenth = Annotated[Decimal, PlainValidator(p.fraction("0.1"))]
Multiple = Annotated[Decimal, PlainValidator(p.number("0", "20", above=True))]
Dollars = Annotated[Decimal, PlainValidator(p.number("0", "1000000000", above=True))]
Port = Annotated[int, PlainValidator(p.whole(0, 65535))]
Flag = Annotated[bool, PlainValidator(p.flag)]
Token = Annotated[SecretStr, PlainValidator(_secret)]
HttpUrl = Annotated[str, PlainValidator(p.url("http", "https"))]
StreamUrl = Annotated[str, PlainValidator(p.url("ws", "wss"))]
FilePath = Annotated[Path, PlainValidator(p.path)]
Day = Annotated[date, PlainValidator(p.day)]
Seconds = Annotated[float, PlainValidator(p.seconds("0", "31536000"))]


class SettingFields(BaseSettings):
    """The settings as they stand in the environment, typed; relations.py judges them together.

    Built from the text that sources.py gathered and from nothing else.
    """

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=str.upper),
        case_sensitive=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    trading_mode: Annotated[Mode, PlainValidator(_modes)] | None = None
    apca_api_key_id: Token | None = None
    apca_api_secret_key: Token | None = None
    alpaca_trading_url: HttpUrl | None = None
    alpaca_data_url: HttpUrl | None = None
    alpaca_stream_url: StreamUrl | None = None
    alpaca_data_stream_url: StreamUrl | None = None
    uw_api_token: Token | None = None
    uw_url: HttpUrl = "https://api.unusualwhales.com"

    symbols: Annotated[tuple[str, ...], PlainValidator(p.symbols)] = ()
    strategies: Annotated[tuple[str, ...], PlainValidator(strategy_words)] = OWN_STRATEGIES

    max_position_size_usd: Dollars | None = None
    max_notional_per_order: Dollars | None = None
    max_portfolio_exposure_pct: FractionOfAll = Decimal("0.30")
    max_concentration_per_symbol_pct: FractionOfAll = Decimal("0.15")
    max_price_deviation_pct: FractionOfHalf = Decimal("0.05")
    min_cooldown_minutes: Annotated[Decimal, PlainValidator(p.number("0", "10080"))] = Decimal(5)
    position_limit_pct: FractionOfAll = Decimal("0.05")
    daily_loss_limit_pct: FractionOfHalf = Decimal("0.02")
    max_drawdown_pct: FractionOfHalf = Decimal("0.10")
    max_open_positions: Annotated[int, PlainValidator(p.whole(1, 500))] | None = None
    risk_per_trade_pct: FractionOfTenth = Decimal("0.01")
    stop_atr_multiple: Multiple = Decimal("2.0")
    min_reward_risk: Multiple = Decimal("1.5")
    exit_at_close: Flag = False
    adopt_external: Flag = False
    allow_short: Flag = False
    portfolio_delta_limit_pct: Annotated[Decimal, PlainValidator(p.percent_points("1", "1000"))] = (
        Decimal(70)
    )

    service_max_failures: Annotated[int, PlainValidator(p.whole(1, 1000))] = 5
    service_failure_window_minutes: Annotated[float, PlainValidator(p.seconds("0.01", "10080"))] = (
        10.0
    )

    chaos_mode: Annotated[
        tuple[str, ...], PlainValidator(p.words_of((CHAOS_OFF, *CHAOS_FAULTS)))
    ] = (CHAOS_OFF,)
    chaos_after_s: Seconds = 0.0
    chaos_duration_s: Seconds | None = None
    chaos_seed: Annotated[int, PlainValidator(p.whole(0, 2**63 - 1))] | None = None

    state_dir: FilePath | None = None
    log_dir: FilePath | None = None
    seconds_to_run: Seconds | None = None

    dashboard_host: Annotated[str, PlainValidator(p.host_name)] = "127.0.0.1"
    dashboard_port: Port = 8000
    dashboard_token: Token | None = None

    alert_urls: Annotated[tuple[SecretStr, ...], PlainValidator(_secret_list)] = ()
    telegram_bot_token: Token | None = None
    telegram_chat_id: Annotated[str, PlainValidator(p.token)] | None = None
    heartbeat_ping_url: Annotated[SecretStr, PlainValidator(_secret_url)] | None = None

    sim_speed: Annotated[float | None, PlainValidator(p.speed)] = 60.0
    sim_seed: Annotated[int, PlainValidator(p.whole(0, 2**63 - 1))] = 1
    sim_replay: FilePath | None = None
    sim_from: Day | None = None
    sim_to: Day | None = None
    sim_cash: Dollars = Decimal(100_000)
    sim_port: Annotated[int, PlainValidator(p.whole(1, 65535))] | None = None
    sim_spread_bps: Annotated[Decimal, PlainValidator(p.number("0", "1000"))] = Decimal(2)
    sim_rate_limit: Flag = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what was gathered: sources.py also judges names, access and precedence."""
        return (init_settings,)


SETTING_NAMES = frozenset(name.upper() for name in SettingFields.model_fields)
"""Every documented name; .env.example lists the same."""

KNOWN_NAMES = SETTING_NAMES | frozenset(ALIASES)
