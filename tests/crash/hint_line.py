"""The trade stream on its way to the bot: with gaps, and events lost, doubled, late, reordered."""

from __future__ import annotations

from collections import Counter
from random import Random

from tests.crash.history import History
from tests.crash.shared_time import SharedPage
from tests.crash.table import STREAM


class HintLine:
    """Takes the exchange's events; the bot sees on the page whether the line stands."""

    def __init__(self, history: History, page: SharedPage, tally: Counter[str]) -> None:
        self._rate = history.wire.hint_rate
        self._stream_gaps = history.wire.stream_gaps
        self._dice = Random(f"hints {history.seed}")
        self._page = page
        self._tally = tally
        self._waiting: list[object] = []
        self._held: list[object] = []
        self._listening, self._gaps = True, 1
        self.show(0.0)

    def show(self, now_s: float) -> None:
        """Bring time and the line's state to the page."""
        self._page.put(now_s, listening=self._listening, gaps=self._gaps, news=len(self._waiting))

    def stand(self, now_s: float, *, is_calm: bool) -> None:
        """Break or mend the connection as the history wants it now; what waited is gone then."""
        gap = any(start_s <= now_s < start_s + length_s for start_s, length_s in self._stream_gaps)
        listening = is_calm or not gap
        if listening == self._listening:
            return
        self._listening = listening
        if listening:
            self._gaps += 1
        else:
            self._tally[f"{STREAM}: gap"] += 1
            self._waiting, self._held = [], []
        self.show(now_s)

    def tell(self, document: object, now_s: float) -> None:
        """Take one event of the exchange."""
        fate = self._dice.choice(("lost", "doubled", "held back", "reordered"))
        if self._dice.random() >= self._rate:
            fate = "told"
        if not self._listening:
            fate = "unheard"
        if fate == "doubled":
            self._waiting += [document, document]
        elif fate == "held back":
            self._held.append(document)
        elif fate == "reordered":
            self._waiting.insert(0, document)
        elif fate == "told":
            self._waiting.append(document)
        if fate != "told":
            self._tally[f"{STREAM}: {fate}"] += 1
        self.show(now_s)

    def take(self, now_s: float) -> list[object]:
        """Return what is there; what was held back comes with the next."""
        found, self._waiting, self._held = self._waiting, self._held, []
        self.show(now_s)
        return found
