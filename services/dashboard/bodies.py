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

_SYMBOL = re.compile(r"^[A-Z][A-Z0-9.]{0,11}$")
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
class Field:
    """One field that a route takes. `check` returns the value or raises ValueError."""

    name: str
    check: Callable[[object], Any]
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
            values[field.name] = field.check(body[field.name])
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


def reason(value: object) -> str:
    """One line of text that says why."""
    return _line(value, REASON_CHARACTERS_MAX)


def person(value: object) -> str:
    """The name of who approves."""
    return _line(value, NAME_CHARACTERS_MAX)


def symbol(value: object) -> str:
    """A ticker in capitals."""
    if not isinstance(value, str) or not value.isascii():
        raise ValueError("must be a ticker such as AAPL")
    if not _SYMBOL.match(value.strip().upper()):
        raise ValueError("must be a ticker such as AAPL")
    return value.strip().upper()


def flag(value: object) -> bool:
    """true or false; the words of a form too."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    raise ValueError("must be true or false")


def one_of(*words: str) -> Callable[[object], str]:
    """A check that takes only these words."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return check
