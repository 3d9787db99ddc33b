"""External shares, which nobody of ours bought, and the key of the orders that serve them.

Such an order carries our prefix and this owner. Its key is no entry's, so that its fills make no
position, no trade and no profit of ours (ORDER_PATH.md rule 18).
"""

from __future__ import annotations

EXTERNAL = "external"
"""Owner of external shares, in ids and in the book."""
_PREFIX = f"{EXTERNAL}:"


def external_key(symbol: str) -> str:
    """Return the position key of the orders that serve the external shares of a symbol."""
    return f"{_PREFIX}{symbol}"


def serves_externals(position_key: str) -> bool:
    """Whether an order or a plan with this key serves external shares."""
    return position_key.startswith(_PREFIX)


def external_symbol(position_key: str) -> str:
    """Return the symbol of a key of external shares."""
    return position_key.removeprefix(_PREFIX)
