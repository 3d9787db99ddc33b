"""Pure decisions of the chat: who is heard, what was meant, and what needs a second step.

What takes risk away (`/stop`, `/pause`) is done at once: a slip of the thumb costs nothing that
`/resume` or `clear-stop` could not give back. What trades or adds risk waits for its own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

AGE_MAX_S = 60.0
"""An older command is refused, as everywhere: its reason may be gone."""
CONFIRM_WITHIN_S = 60.0
WRONG_CODES_MAX = 3
TEXT_CHARACTERS_MAX = 500
UNIX_S_MAX = 1e11
ACTING = ("pause", "resume", "stop", "close")
CONFIRM = "yes"
FLATTEN, INCLUDE_EXTERNAL = "flatten", "include-external"


@dataclass(frozen=True, slots=True)
class Said:
    """One command that somebody gave in our chat."""

    update_id: int
    command: str
    """Without the slash; empty for a text that is no command."""
    words: tuple[str, ...]
    by: str
    """Name of the person, for people."""
    person: str
    """What Telegram knows the person by; a name can be given to anybody."""
    age_s: float

    @property
    def is_plain_stop(self) -> bool:
        """Whether it is the one command that does no harm when it is done twice, and that must
        not wait for anything.
        """
        gesture = _gesture(self)
        if not isinstance(gesture, Gesture) or gesture.is_dangerous:
            return False
        return gesture.command == "stop" and abs(self.age_s) <= AGE_MAX_S


@dataclass(frozen=True, slots=True)
class Gesture:
    """Something to be done to the system."""

    command: str
    by: str
    reason: str
    symbol: str = ""
    flatten: bool = False
    include_external: bool = False

    @property
    def is_dangerous(self) -> bool:
        """Whether it trades or adds risk, so that it wants a second step."""
        return self.flatten or self.command in ("resume", "close")

    def in_words(self) -> str:
        """What it will do, and what it will not."""
        if self.command == "close":
            return f"close the whole position of {self.symbol}; nothing else is touched"
        if self.include_external:
            return "stop all trading and close EVERY position of the account, those not ours too"
        if self.flatten:
            return "stop all trading and close every position of ours at the market"
        if self.command == "stop":
            return "take no new risk; positions and their stops stay"
        if self.command == "pause":
            return "open no new positions; exits and stops go on"
        return "open new positions again; an emergency stop stays in place"


@dataclass(frozen=True, slots=True)
class Pending:
    """A dangerous gesture that waits for its code."""

    gesture: Gesture
    code: str
    until_s: float
    """Monotonic seconds."""
    person: str
    """Who asked, and who alone may confirm it."""
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one command: do, then say; and what waits afterwards."""

    act: Gesture | None = None
    reply: str = ""
    pending: Pending | None = None


def said_in(update: Mapping[str, Any], chat_id: str, now_unix_s: float) -> Said | None:
    """Return what was said in the configured chat; None for every other update."""
    update_id, message = update.get("update_id"), update.get("message")
    if not isinstance(update_id, int) or not isinstance(message, Mapping):
        return None
    chat, text, date = message.get("chat"), message.get("text"), message.get("date")
    if not isinstance(chat, Mapping) or not isinstance(text, str):
        return None
    if not isinstance(date, int) or not 0 <= date < UNIX_S_MAX:
        return None
    names = {str(chat.get("id"))} | ({f"@{chat['username']}"} if chat.get("username") else set())
    if chat_id not in names:
        return None
    words = "".join(sign if sign.isprintable() else " " for sign in text).split()
    first = words[0] if words else ""
    command = first[1:].partition("@")[0].lower() if first.startswith("/") else ""
    if not command and chat.get("type") != "private":
        return None  # people talk to each other there
    sender = message.get("from")
    person = str(sender.get("id")) if isinstance(sender, Mapping) else ""
    by = f"{_name_of(sender)} (Telegram)"
    return Said(update_id, command, tuple(words[1:]), by, person, now_unix_s - date)


def _name_of(sender: object) -> str:
    if not isinstance(sender, Mapping):
        return "somebody"
    name = str(sender.get("username") or sender.get("first_name") or sender.get("id"))
    return "".join(sign for sign in name if sign.isprintable())[:60]


def decide(said: Said, pending: Pending | None, code: str, now_s: float) -> Decision:
    """Return what the command means. `code` is what a dangerous one will have to be met with."""
    if abs(said.age_s) > AGE_MAX_S:
        reply = f"That was said {said.age_s:.0f} s ago and is not done. Say it again."
        return Decision(reply=reply, pending=pending)
    if said.command == CONFIRM:
        return _confirmed(said, pending, now_s)
    gesture = _gesture(said)
    if isinstance(gesture, str):
        return Decision(reply=gesture, pending=pending)
    if not gesture.is_dangerous:
        # Whoever takes risk away no longer means what waited for a code.
        return Decision(act=gesture)
    reply = (
        f"This will {gesture.in_words()}.\n"
        f"To do it, answer /{CONFIRM} {code} within {CONFIRM_WITHIN_S:.0f} s. "
        "To leave it, do nothing."
    )
    until_s = now_s + CONFIRM_WITHIN_S
    return Decision(reply=reply, pending=Pending(gesture, code, until_s, said.person))


def _confirmed(said: Said, pending: Pending | None, now_s: float) -> Decision:
    if pending is None or now_s > pending.until_s:
        return Decision(reply="Nothing waits for a confirmation. Nothing was done.")
    if said.person != pending.person:
        reply = f"Only {pending.gesture.by} can confirm that. Nothing was done."
        return Decision(reply=reply, pending=pending)
    if said.words == (pending.code,):
        return Decision(act=replace(pending.gesture, by=said.by))
    wrong = pending.wrong + 1
    if wrong >= WRONG_CODES_MAX:
        return Decision(reply="The code is wrong. It was dropped; nothing was done.")
    return Decision(reply="The code is wrong.", pending=replace(pending, wrong=wrong))


def _gesture(said: Said) -> Gesture | str:
    """Return the gesture, or the sentence that says what is missing."""
    words = list(said.words)
    symbol, flatten, is_all = "", False, False
    if said.command == "close":
        if not words:
            return "Which one? /close SYMBOL and why."
        symbol = words.pop(0).upper()
    if said.command == "stop" and words and words[0].lower() == FLATTEN:
        flatten = bool(words.pop(0))
        is_all = bool(words) and words[0].lower() == INCLUDE_EXTERNAL
        words = words[is_all:]
    reason = " ".join(words)[:TEXT_CHARACTERS_MAX] or "said in the chat"
    return Gesture(said.command, said.by, reason, symbol, flatten, is_all)
