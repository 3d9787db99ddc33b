"""The strategies that STRATEGIES may name, as far as the settings must know them.

A strategy's code lives in services/trading_bot/strategies; a setting that no strategy could
ever meet must be refused before anything starts, hence this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

REWARD_RISK_OF_STRATEGY: Mapping[str, Decimal] = MappingProxyType({"momentum": Decimal("2.0")})
"""Name → distance of the target that it sets, in distances of its stop."""
