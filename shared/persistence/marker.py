"""The marker beside the state: proof that there was a state, and the fence against old writers.

`trading_state.marker`, in the envelope of document.py. The envelope's epoch is the newest
writer's: a writer that finds a higher one than its own has been superseded. The payload holds
which accounts ever had a state, so that "all lost" is never mistaken for a first start, and the
id epochs of our own orders (ORDER_PATH.md rule 18).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.errors import TransientFault
from shared.persistence.document import Header, Sealed, seal

MARKER_NAME = "trading_state.marker"
MARKER_BYTES_MAX = 1_000_000
ID_EPOCHS_KEPT = 1_000


class WriterFenced(TransientFault):
    """Another writer has taken over: this process must stop sending and end."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What the marker says."""

    epoch: int = 0
    """The newest writer's epoch."""
    accounts: frozenset[tuple[str, str]] = frozenset()
    """(mode, account id) of every state that was ever saved here."""
    id_epochs: tuple[str, ...] = ()
    """Epochs of our client order ids, oldest first, the last 1,000."""

    def with_state(self, account: tuple[str, str], id_epoch: str | None) -> Marker:
        """Return the marker that also knows this state."""
        epochs = self.id_epochs
        if id_epoch and id_epoch not in epochs:
            epochs = (*epochs, id_epoch)[-ID_EPOCHS_KEPT:]
        return replace(self, accounts=self.accounts | {account}, id_epochs=epochs)

    def sealed(self, boot_id: str, written_at: str) -> bytes:
        """Return the bytes of the file."""
        payload: dict[str, object] = {
            "accounts": sorted(list(account) for account in self.accounts),
            "id_epochs": list(self.id_epochs),
        }
        header = Header(seq=0, epoch=self.epoch, boot_id=boot_id, written_at=written_at)
        return seal(payload, header)


def marker_of(document: Sealed) -> Marker:
    """Return what a verified document says; fields of the wrong shape count as empty."""
    accounts = frozenset(
        (str(item[0]), str(item[1]))
        for item in _items(document.payload.get("accounts"))
        if isinstance(item, list) and len(item) == 2
    )
    id_epochs = tuple(
        item for item in _items(document.payload.get("id_epochs")) if isinstance(item, str)
    )
    return Marker(document.header.epoch, accounts, id_epochs)


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()
