"""From the text of a setting to its value, or to a sentence that says what to write instead.

Each maker returns a function for pydantic's PlainValidator; a wrong text raises WrongValue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_SYMBOL = re.compile(r"[A-Z]{1,5}(\.[A-Z]{1,2})?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}", re.ASCII)
_COINS = (
    "AAVE|AVAX|BAT|BCH|BTC|CRV|DOGE|DOT|ETH|GRT|LINK|LTC|MKR|PEPE|SHIB|SOL|SUSHI|UNI|USDC|USDT"
    "|XRP|XTZ|YFI"
)
_CRYPTO = re.compile(rf"({_COINS})(USD|USDT|USDC|BTC)", re.ASCII)
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


class WrongValue(ValueError):
    """A text that is no value of its setting: what is wrong, and the mend."""

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.mend = mend


def _decimal_of(text: str) -> Decimal:
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if re.fullmatch(r"\d+,\d+", text):
        raise WrongValue("is no number", f"Write {text.replace(',', '.')}, or leave the comma out")
    raise WrongValue("is no number", "Write digits with a decimal point, like 2 or 0.5")


def number(
    low: str, high: str, *, above: bool = False, unit: str = ""
) -> Callable[[object], Decimal]:
    """Return a parser of decimals from `low` (excluded when `above`) to `high`."""
    least, most = Decimal(low), Decimal(high)
    bounds = f"above {low} and at most {high}{unit}" if above else f"from {low} to {high}{unit}"

    def parse(text: object) -> Decimal:
        value = _decimal_of(str(text))
        if value > most or value < least or (above and value == least):
            raise WrongValue("is out of range", f"Write a number {bounds}")
        return value

    return parse


def fraction(high: str) -> Callable[[object], Decimal]:
    """Return a parser of fractions of equity above 0 and at most `high`.

    A percentage in the place of a fraction (5 for 0.05) is refused with the right number.
    """
    most = Decimal(high)

    def parse(text: object) -> Decimal:
        plain = str(text).removesuffix("%").rstrip()
        value = _decimal_of(plain)
        as_fraction = f"{(value / 100).normalize():f}"
        if plain != text:
            raise WrongValue("is a percentage", f"Write the fraction: {as_fraction}")
        if value <= 0:
            raise WrongValue("must be above 0", f"Write a fraction of equity, at most {high}")
        if value > most:
            hint = f"for {plain} percent write {as_fraction}" if value >= 1 else "1 is 100 percent"
            raise WrongValue(
                f"is {(value * 100).normalize():f} percent of equity, more than the {high} allowed",
                f"Write a fraction, not percent: {hint}",
            )
        return value

    return parse


def percent_points(low: str, high: str) -> Callable[[object], Decimal]:
    """Return a parser of percent points, which refuses a fraction in their place."""

    def parse(text: object) -> Decimal:
        plain = str(text).removesuffix("%").rstrip()
        value = _decimal_of(plain)
        if not Decimal(low) <= value <= Decimal(high):
            points = f"{(value * 100).normalize():f}"
            hint = f"for {points} percent write {points}"
            raise WrongValue(
                "is out of range",
                f"This one is in percent points, {low} to {high}"
                + (f": {hint}" if 0 < value <= 1 else ""),
            )
        return value

    return parse


def whole(low: int, high: int) -> Callable[[object], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: object) -> int:
        if not _WHOLE.fullmatch(str(text)):
            raise WrongValue("is no whole number", f"Write digits, {low} to {high}")
        value = int(str(text))
        if not low <= value <= high:
            raise WrongValue("is out of range", f"Write a whole number from {low} to {high}")
        return value

    return parse


def seconds(low: str, high: str) -> Callable[[object], float]:
    """Return a parser of a length of time as float."""
    parse_number = number(low, high)
    return lambda text: float(parse_number(text))


def flag(text: object) -> bool:
    """Parse true/false, yes/no, on/off, 1/0."""
    word = str(text).lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise WrongValue("is neither true nor false", "Write true or false")


def one_of(words: Collection[str]) -> Callable[[object], str]:
    """Return a parser of a word out of a closed list, in any case."""

    def parse(text: object) -> str:
        word = str(text).lower()
        if word not in words:
            raise WrongValue("is not known", f"Write one of {', '.join(words)}")
        return word

    return parse


def listed(text: object) -> tuple[str, ...]:
    """Split at commas and blanks, drop empty items and doubles, keep the order."""
    return tuple(dict.fromkeys(item for item in re.split(r"[,\s]+", str(text)) if item))


def words_of(words: Collection[str]) -> Callable[[object], tuple[str, ...]]:
    """Return a parser of a comma-separated list of known words."""

    def parse(text: object) -> tuple[str, ...]:
        chosen = listed(str(text).lower())
        unknown = [word for word in chosen if word not in words]
        if unknown or not chosen:
            raise WrongValue(
                f"names unknown {', '.join(unknown)}" if unknown else "names nothing",
                f"Write, separated by commas, some of {', '.join(words)}",
            )
        return chosen

    return parse


def symbols(text: object) -> tuple[str, ...]:
    """Parse US stock symbols; a crypto pair is refused by name."""
    chosen = listed(str(text).upper())
    crypto = [item for item in chosen if "/" in item or _CRYPTO.fullmatch(item)]
    if crypto:
        raise WrongValue(
            f"names crypto {', '.join(crypto)}", "Only US stocks and ETFs are traded; take it out"
        )
    odd = [item for item in chosen if not _SYMBOL.fullmatch(item)]
    if odd or not chosen:
        raise WrongValue(
            f"has no US stock symbol in {', '.join(odd)}" if odd else "names no symbol",
            "Write symbols separated by commas, like AAPL,MSFT,BRK.B",
        )
    return chosen


_PLAIN_HOST = re.compile(r"[a-z0-9:.-]*[a-z0-9:]", re.ASCII)


def url(*schemes: str) -> Callable[[object], str]:
    """Return a parser of a URL of these schemes; the plain ones only on this machine."""

    def parse(text: object) -> str:
        try:
            parts = urlsplit(str(text))
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            host, parts = "", urlsplit("")
        example = f"Write a URL that begins with {schemes[-1]}://"
        # Whatever else resolves, like a dot at the end or letters of other scripts, would slip
        # past everybody who asks whose host it is.
        if parts.scheme not in schemes or not _PLAIN_HOST.fullmatch(host):
            raise WrongValue("is no URL of the right kind", example)
        if parts.username is not None or parts.password is not None:
            raise WrongValue("carries a user or password", "Take the part before @ out")
        if parts.scheme != schemes[-1] and not is_loopback(host):
            raise WrongValue("would send keys in clear text", example)
        return str(text).rstrip("/")

    return parse


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine and nothing else."""
    plain = host.strip("[]").lower()
    return plain in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", plain))


def host_name(text: object) -> str:
    """Parse a host name or address to listen on."""
    if not _HOST.fullmatch(str(text)):
        raise WrongValue("is no host name or address", "Write one like 127.0.0.1, without a port")
    return str(text)


def path(text: object) -> Path:
    """Parse a path; relative ones count from the current folder, ~ is the home folder."""
    try:
        return Path(str(text)).expanduser().absolute()
    except RuntimeError:
        raise WrongValue("names an unknown home folder", "Write the whole path") from None


def day(text: object) -> date:
    """Parse a calendar day."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", str(text), re.ASCII):
            return date.fromisoformat(str(text))
    except ValueError:
        pass
    raise WrongValue("is no day", "Write it like 2019-02-11")


def speed(text: object) -> float | None:
    """Parse SIM_SPEED: market seconds per real second, or `max` (lock-step, None)."""
    if str(text).lower() == "max":
        return None
    try:
        return float(number("0", "3600", above=True)(text))
    except WrongValue as wrong:
        raise WrongValue(
            wrong.problem, "Write a number above 0 and at most 3600, or max for lock-step"
        ) from None


def token(text: object) -> str:
    """Parse a secret that travels in a header: visible ASCII, no blanks."""
    if not re.fullmatch(r"[\x21-\x7e]{1,512}", str(text)):
        raise WrongValue("has blanks or odd characters", "Write visible ASCII characters only")
    return str(text)
