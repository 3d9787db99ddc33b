"""Pure: the body of a POST becomes checked fields, or faults that name the field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

BODY_BYTES_MAX = 16_384
FORM_FIELDS_MAX = 20
REASON_CHARACTERS_MAX = 500
NAME_CHARACTERS_MAX = 100

_SYMBOL = re.compile(r"^[A-Za-z][A-Za-z0-9.]{0,11}$")
_WORDS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One wrong field."""

    field: str
    problem: str


class BodyFault(Exception):
    """The body cannot be used; every fault of it at once."""

    def __init__(self, *faults: FieldFault) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.problem}" for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Rule:
    """What a field may hold: for us, and in words of JSON Schema for who asks us."""

    check: Callable[[object], Any]
    """Returns the value, or raises ValueError with what is wrong."""
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field that a route takes."""

    name: str
    rule: Rule
    required: bool = True
    default: Any = None


def read_body(raw: bytes) -> Mapping[str, object]:
    """Return the fields of a JSON object or of a page's form; raises BodyFault.

    What begins like JSON is read as JSON whatever its Content-Type says: `curl -d` calls
    everything a form.
    """
    text = _decoded(raw).strip()
    if not text:
        return {}
    if text[0] in '{["':
        return _json_object(text)
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, max_num_fields=FORM_FIELDS_MAX
        )
    except ValueError:
        raise BodyFault(FieldFault("body", "is neither a JSON object nor a form")) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BodyFault(FieldFault("body", "names a field twice"))
    return fields


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BodyFault(FieldFault("body", "is not UTF-8")) from None


def _json_object(text: str) -> Mapping[str, object]:
    def no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
        document = dict(pairs)
        if len(document) != len(pairs):
            raise BodyFault(FieldFault("body", "names a field twice"))
        return document

    try:
        document = json.loads(text, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError):
        raise BodyFault(FieldFault("body", "is no valid JSON")) from None
    if not isinstance(document, dict):
        raise BodyFault(FieldFault("body", "must be a JSON object"))
    return document


def checked(body: Mapping[str, object], fields: tuple[Field, ...]) -> dict[str, Any]:
    """Return the value of every field; raises BodyFault naming all that are wrong."""
    known = {field.name for field in fields}
    faults = [
        FieldFault(_printable(name), "is not a field of this request")
        for name in body
        if name not in known
    ]
    values: dict[str, Any] = {}
    for field in fields:
        if field.name not in body:
            if field.required:
                faults.append(FieldFault(field.name, "is missing"))
            values[field.name] = field.default
            continue
        try:
            values[field.name] = field.rule.check(body[field.name])
        except ValueError as problem:
            faults.append(FieldFault(field.name, str(problem)))
    if faults:
        raise BodyFault(*faults)
    return values


def _printable(name: str) -> str:
    """A field's name as it may stand in an answer: short, and without lone surrogates."""
    return name[:NAME_CHARACTERS_MAX].encode("utf-8", "replace").decode("utf-8")


def _line(value: object, characters_max: int) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    text = value.strip()
    if not text:
        raise ValueError("must not be empty")
    if len(text) > characters_max:
        raise ValueError(f"must have at most {characters_max} characters")
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


def line(characters_max: int, what: str) -> Rule:
    """A rule for one line of printable text, not empty."""
    schema = {"type": "string", "maxLength": characters_max, "pattern": r"\S", "description": what}
    return Rule(lambda value: _line(value, characters_max), schema)


def _symbol(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not _SYMBOL.match(value.strip()):
        raise ValueError("must be a ticker such as AAPL")
    return value.strip().upper()


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    raise ValueError("must be true or false")


def one_of(*words: str) -> Rule:
    """A rule that takes only these words."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return Rule(check, {"type": "string", "enum": list(words)})


def count(least: int, most: int) -> Rule:
    """A rule for a whole number in its bounds, written in digits, as in an address."""

    def check(value: object) -> int:
        text = str(value)
        readable = text.isascii() and text.isdigit() and len(text) <= len(str(most))
        if not readable or not least <= int(text) <= most:
            raise ValueError(f"must be {least} to {most}")
        return int(text)

    return Rule(check, {"type": "integer", "minimum": least, "maximum": most})


reason = line(REASON_CHARACTERS_MAX, "Why, in one line.")
person = line(NAME_CHARACTERS_MAX, "Who approves.")
symbol = Rule(_symbol, {"type": "string", "pattern": _SYMBOL.pattern, "description": "A ticker."})
flag = Rule(_flag, {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": list(_WORDS)}]})
"""true or false; the words of a form too."""
