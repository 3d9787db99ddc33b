"""The published schema of the HTTP interface (OpenAPI 3.1), made of the table of routes, the
fields that the handlers read and the shapes that they answer in. Nothing is written here twice.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from services.dashboard.access import Access
from services.dashboard.answer_fields import Shape
from services.dashboard.answers import Problem
from services.dashboard.auth import SESSION_COOKIE
from services.dashboard.bodies import Field
from services.dashboard.refusals import HTML, JSON
from services.dashboard.serving import Row, Told

VERSION = "1"
"""Of the interface; changes here need a line in CHANGELOG.md."""
_ANYBODY: Mapping[str, list[str]] = {}
_KNOWN: tuple[Mapping[str, list[str]], ...] = ({"token": []}, {"session": []})
_ALWAYS = (400, 401, 403, 429)
"""A foreign Host, a wrong token, a foreign Origin and too many tries are refused everywhere."""
_WITH_BODY = (408, 413, 422)
_REFERENCE = "#/components/schemas/{model}"
_REFUSED = {
    "description": "Refused: `error` is a word for programs, `message` a sentence for people.",
    "content": {
        JSON: {"schema": {"$ref": _REFERENCE.format(model=Problem.__name__)}},
        HTML: {"schema": {"type": "string"}},
    },
}
_PARAMETER = re.compile(r"\{(\w+)\}")


def described(rows: Iterable[Row], *, on_loopback: bool) -> dict[str, Any]:
    """Return the document for these routes; who needs the token depends on where we listen."""
    rows = tuple(rows)
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, on_loopback)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "self-healing trader, dashboard",
            "version": VERSION,
            "description": "Amounts are decimal text. What nobody knows is null, never 0.",
        },
        "paths": paths,
        "components": {
            "schemas": _shapes(rows),
            "responses": {"Refused": _REFUSED},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "dashboard.token"},
                "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
            },
        },
    }


def _shapes(rows: tuple[Row, ...]) -> dict[str, Any]:
    promised = {told.shape for row in rows for told in row.answers.values() if told.shape}
    shapes: list[type[Shape]] = sorted({*promised, Problem}, key=lambda shape: shape.__name__)
    _, schema = models_json_schema(
        [(shape, "serialization") for shape in shapes], ref_template=_REFERENCE
    )
    found: dict[str, Any] = schema["$defs"]
    return found


def _operation(row: Row, on_loopback: bool) -> dict[str, Any]:
    words = inspect.getdoc(row.handler) or ""
    operation: dict[str, Any] = {
        "operationId": f"{row.method.lower()}_{re.sub(r'[^a-z]+', '_', row.path).strip('_')}",
        "summary": words.partition("\n")[0],
        "description": words,
        "security": list(_security(row.access, on_loopback)),
        "responses": _responses(row),
    }
    if parameters := list(_parameters(row)):
        operation["parameters"] = parameters
    if row.method == "POST":
        operation["requestBody"] = _body(row.body)
    return operation


def _security(access: Access, on_loopback: bool) -> tuple[Mapping[str, list[str]], ...]:
    """Nobody need be known for what is public, nor on loopback for reading and for the stop; with
    `flatten` the stop asks for it all the same.
    """
    is_free = access is Access.PUBLIC or (access is not Access.ACTION and on_loopback)
    return (_ANYBODY, *_KNOWN) if is_free else _KNOWN


def _parameters(row: Row) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(row.path):
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for field in row.query:
        yield {"name": field.name, "in": "query", "required": False, "schema": _schema(field)}


def _body(fields: tuple[Field, ...]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {field.name: _schema(field) for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }
    content = {kind: {"schema": schema} for kind in (JSON, "application/x-www-form-urlencoded")}
    return {"required": bool(schema["required"]), "content": content}


def _schema(field: Field) -> dict[str, Any]:
    default = {} if field.required else {"default": field.default}
    return {**field.rule.schema, **default}


def _responses(row: Row) -> dict[str, Any]:
    asks = _WITH_BODY if row.method == "POST" else (422,) if row.query else ()
    refused = {*_ALWAYS, *asks, *row.refuses}
    return {
        str(status): _response(status, row.answers[status], is_refusal=status in refused)
        if status in row.answers
        else {"$ref": "#/components/responses/Refused"}
        for status in sorted({*row.answers, *refused})
    }


def _response(status: int, told: Told, *, is_refusal: bool) -> dict[str, Any]:
    """What is also refused with this status, or asked for by a browser, may look otherwise."""
    shape = _shape_schema(told.shape)
    if is_refusal and told.shape is not None:
        shape = {"anyOf": [shape, _shape_schema(Problem)]}
    content = {told.media_type: {"schema": shape}}
    if told.media_type == JSON:
        content[HTML] = {"schema": {"type": "string"}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _shape_schema(shape: type[Shape] | None) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=shape.__name__)} if shape is not None else {}
