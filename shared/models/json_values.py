"""Frozen dataclasses to JSON values and back, exactly: Decimals as strings, times as ISO 8601.

Encoders and decoders are built once per type from its annotations, so that writing the state
costs little. Known shapes: str, int, float, bool, Decimal, datetime, date, enums, dataclasses,
`X | None`, `tuple[X, ...]` and `Mapping[str, X]`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from shared.models.numbers import decimal_of
from shared.models.shown import shown

Codec = tuple[Callable[[Any], Any], Callable[[Any, str], Any]]
"""(encode a value, decode a JSON value found under a named path)."""

Value = TypeVar("Value")

NUMBER_MAX = 10**18
"""Counters and seconds stay far below it; beyond it arithmetic would not be exact, or not end."""


def to_json(value: object) -> dict[str, Any]:
    """Return a dataclass instance as a dict that `json.dumps` takes as it is."""
    encoded: dict[str, Any] = codec_of(type(value))[0](value)
    return encoded


def from_json(kind: type[Value], data: object, path: str = "") -> Value:
    """Rebuild a value; ValueError naming the path when the JSON does not fit the type."""
    decoded: Value = codec_of(kind)[1](data, path or kind.__name__)
    return decoded


def encode_decimal(number: Decimal) -> str:
    """Write a Decimal without exponent, so that a person can read it."""
    return format(number, "f")


def _decode_datetime(data: object, path: str) -> datetime:
    if not isinstance(data, str):
        raise ValueError(f"{path} must be an ISO time, not {shown(data)}")
    try:
        moment = datetime.fromisoformat(data)
    except ValueError:
        raise ValueError(f"{path} is no ISO time: {shown(data)}") from None
    if moment.tzinfo is None:
        raise ValueError(f"{path} must carry a timezone: {shown(data)}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{path} lies beyond the calendar: {data!r}") from None


def _decode_date(data: object, path: str) -> date:
    if not isinstance(data, str):
        raise ValueError(f"{path} must be an ISO date, not {shown(data)}")
    try:
        return date.fromisoformat(data)
    except ValueError:
        raise ValueError(f"{path} is no ISO date: {shown(data)}") from None


def _plain(kind: type) -> Codec:
    def decode(data: Any, path: str) -> Any:
        exact = type(data) is kind or (kind is float and type(data) is int)
        if not exact or (kind in (int, float) and abs(data) > NUMBER_MAX):
            raise ValueError(f"{path} must be {kind.__name__}, not {shown(data)}")
        return kind(data)

    return (lambda value: value), decode


def _enum(kind: type[Enum]) -> Codec:
    def decode(data: Any, path: str) -> Any:
        try:
            return kind(data)
        except ValueError:
            raise ValueError(f"{path} is no {kind.__name__}: {shown(data)}") from None

    return (lambda value: value.value), decode


def _optional(inner: Codec) -> Codec:
    encode, decode = inner
    return (
        lambda value: None if value is None else encode(value),
        lambda data, path: None if data is None else decode(data, path),
    )


def _sequence(inner: Codec) -> Codec:
    encode, decode = inner

    def decode_all(data: Any, path: str) -> Any:
        if not isinstance(data, list):
            raise ValueError(f"{path} must be a list, not {shown(data)}")
        return tuple(decode(item, f"{path}[{number}]") for number, item in enumerate(data))

    return (lambda value: [encode(item) for item in value]), decode_all


def _mapping(inner: Codec) -> Codec:
    encode, decode = inner

    def decode_all(data: Any, path: str) -> Any:
        if not isinstance(data, dict):
            raise ValueError(f"{path} must be an object, not {shown(data)}")
        return {str(key): decode(item, f"{path}.{key}") for key, item in data.items()}

    return (lambda value: {key: encode(item) for key, item in value.items()}), decode_all


def _dataclass(kind: type) -> Codec:
    hints = get_type_hints(kind)
    members = tuple((field.name, codec_of(hints[field.name])) for field in fields(kind))
    required = {
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }
    encoders = tuple((name, codec[0]) for name, codec in members)

    def encode(value: Any) -> Any:
        return {name: encoder(getattr(value, name)) for name, encoder in encoders}

    def decode(data: Any, path: str) -> Any:
        if not isinstance(data, dict):
            raise ValueError(f"{path} must be an object, not {shown(data)}")
        absent = sorted(required - data.keys())
        if absent:
            raise ValueError(f"{path} lacks {', '.join(absent)}")
        # Unknown members are left alone: an older program reads a newer record's known part.
        values = {
            name: codec[1](data[name], f"{path}.{name}") for name, codec in members if name in data
        }
        try:
            return kind(**values)
        except ValueError as fault:
            raise ValueError(f"{path}: {fault}") from None

    return encode, decode


_SIMPLE: dict[object, Codec] = {
    Decimal: (encode_decimal, decimal_of),
    datetime: (datetime.isoformat, _decode_datetime),
    date: (date.isoformat, _decode_date),
    str: _plain(str),
    int: _plain(int),
    float: _plain(float),
    bool: _plain(bool),
}


_BUILT: dict[object, Codec] = dict(_SIMPLE)
"""Codecs by annotation: there are as many as the program has types."""


def codec_of(kind: Any) -> Codec:
    """Return the encoder and decoder of an annotation; TypeError for a shape not known here."""
    codec = _BUILT.get(kind)
    if codec is not None:
        return codec
    _BUILT[kind] = _later(kind)
    try:
        codec = _BUILT[kind] = _build(kind)
    except TypeError:
        del _BUILT[kind]
        raise
    return codec


def _later(kind: Any) -> Codec:
    """A type may hold its own kind, as an order holds its legs: look again when it is used."""

    def encode(value: Any) -> Any:
        return _BUILT[kind][0](value)

    def decode(data: Any, path: str) -> Any:
        return _BUILT[kind][1](data, path)

    return encode, decode


def _build(kind: Any) -> Codec:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        return _optional(codec_of(next(item for item in arguments if item is not type(None))))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _sequence(codec_of(arguments[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping) and arguments[0] is str:
        return _mapping(codec_of(arguments[1]))
    raise TypeError(f"no JSON form is known for {kind!r}")
