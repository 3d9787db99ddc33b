"""What the exchange prints when it runs alone: where it is, who may come in, what to try."""

from __future__ import annotations

from pathlib import Path

from services.exchange_sim.http.gate import Keys


def greeting(base: str, facts: str, keys: Keys, database: Path) -> str:
    """Return the lines; `base` is host and port. A secret is never among them."""
    any_keys = keys.key_id is None
    who = "any keys" if any_keys else "one pair of keys"
    first = f"exchange-sim http://{base} stream ws://{base}/stream data ws://{base}/v2/iex"
    said = (
        "any key id and any secret that are not empty"
        if any_keys
        else f"key id {keys.key_id} and the secret that you gave"
    )
    return (
        f"{first} ({facts}, {who})\n"
        f"  keys    {said}\n"
        f'  try     TradingClient("key", "secret", url_override="http://{base}")\n'
        f"  books   {database} (kept over restarts)\n"
        f"  faults  GET http://{base}/sim/faults/kinds, POST and DELETE http://{base}/sim/faults\n"
    )
