"""The published schema: whole, kept by every answer, and fuzzed against a running dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from services.dashboard.access import Access
from services.dashboard.app import ROUTES
from services.dashboard.openapi import described
from tests.support.dashboard import Dashboard, Reply, running_dashboard
from tests.support.dashboard_peers import (
    answering_bot,
    answering_supervisor,
    done,
    fill_ledger,
)
from tests.support.published import published

pytestmark = pytest.mark.integration

PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
ODD_NAMES = ("..", "%2e%2e/%2e%2e", "a/b", "a\\b", "a\x00b", "\u202e", "x" * 3_000, "C:", "~")
ODD_HEADERS: tuple[dict[str, str], ...] = (
    {"Accept": "text/html"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Content-Type": "\xff"},
    {"Origin": "http://evil.example"},
    {"Authorization": "Basic Og=="},
    {"Cookie": "sht_session=1.\xe9; ; =; sht_session"},
    {"Range": "bytes=0-1", "If-None-Match": "*", "Expect": "nothing"},
    {"Accept-Language": "x" * 5_000},
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One process with fresh documents, a ledger, a bot that obeys and a supervisor."""
    with running_dashboard(tmp_path_factory.mktemp("page")) as running:
        state = running.state
        fill_ledger(state)
        running.write_status()
        running.write_health()
        methods = {"supervisor.restartProcess": bool, "supervisor.release": bool}
        with answering_bot(state, done), answering_supervisor(state, methods):
            yield running
            assert running.process.poll() is None


OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in published().document["paths"].items()
    for method, operation in methods.items()
    if path != "/api/events"
]
"""Every route but the stream, which does not end by itself."""


def test_schema_when_asked_for_is_the_one_of_the_code_and_names_every_route(
    page: Dashboard,
) -> None:
    """What is published is made of the table of routes; each has its words and its answers."""
    document = page.ask("GET", "/api/openapi.json").json
    assert document == json.loads(json.dumps(published().document))
    assert {(row.method.lower(), row.path) for row in ROUTES} == {
        (method, path) for path, methods in document["paths"].items() for method in methods
    }
    for _, _, operation in OPERATIONS:
        assert operation["summary"]
        assert set(operation["responses"]) & {"200", "303"}
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_schema_says_where_the_token_is_needed() -> None:
    """On loopback reading and stopping are free; elsewhere only what shows no money."""
    for on_loopback, free in (
        (True, {Access.PUBLIC, Access.MONEY, Access.STOP}),
        (False, {Access.PUBLIC}),
    ):
        paths = described(ROUTES, on_loopback=on_loopback)["paths"]
        for row in ROUTES:
            security = paths[row.path][row.method.lower()]["security"]
            assert ({} in security) == (row.access in free), row.path


@pytest.mark.parametrize("field", ["positions", "orders", "causes", "equity", "limits", "paused"])
@pytest.mark.parametrize("value", [None, 7, "x", [1, {"qty": [], "at": {}, "symbol": 4}], {"a": 1}])
def test_answers_when_the_bot_writes_nonsense_keep_the_schema(
    page: Dashboard, field: str, value: object
) -> None:
    """A field that holds something else than it should is null: nobody knows it."""
    page.write_status(**{field: value})
    page.write_health()
    for path in ("status", "positions", "orders"):
        assert page.ask("GET", f"/api/unified/{path}").status in (200, 503)
    page.write_status()


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that the schema of a field allows."""
    if "anyOf" in schema:
        return st.one_of([fitting(one) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "boolean":
        return st.booleans()
    if schema["type"] == "integer":
        return st.integers(schema["minimum"], schema["maximum"])
    if "pattern" in schema and schema["pattern"].startswith("^"):
        return st.from_regex(schema["pattern"].rstrip("$"), fullmatch=True)
    return st.text(PRINTABLE, min_size=1, max_size=min(60, schema.get("maxLength", 60)))


def bodies(schema: dict[str, Any], fits: bool) -> st.SearchStrategy[bytes]:
    """Bodies as the schema wants them; else of any kind."""
    fields = {name: fitting(field) for name, field in schema["properties"].items()}
    wanted = {name: fields[name] for name in schema["required"]}
    others = {name: field for name, field in fields.items() if name not in wanted}
    good = st.fixed_dictionaries(wanted, optional=others).map(lambda one: json.dumps(one).encode())
    if fits:
        return good
    loose = st.fixed_dictionaries({}, optional=dict.fromkeys([*fields, "other"], ANYTHING))
    return st.one_of(
        loose.map(lambda one: json.dumps(one).encode()),
        loose.map(lambda one: urlencode(one, errors="replace").encode()),
        st.binary(max_size=60),
        st.tuples(good, st.integers(1, 8)).map(lambda cut: cut[0][: -cut[1]]),
        st.just(b'{"reason": "' + b"x" * 20_000 + b'"}'),
    )


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes | None, dict[str, str], bool]:
    """Method, path, body, headers; and whether all of it is as the schema wants it."""
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    fits = draw(st.booleans())
    query: dict[str, str] = {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            name = "heartbeat" if fits else draw(st.sampled_from(ODD_NAMES) | st.text(min_size=1))
            raw = quote(name.encode("utf-8", "replace"), safe="")
            path = path.replace(f"{{{parameter['name']}}}", raw)
        elif draw(st.booleans()):
            value = draw(fitting(parameter["schema"]) if fits else st.text(max_size=20))
            query[parameter["name"]] = str(value)
    body = None
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        body = draw(bodies(content["schema"], fits))
    headers = {} if fits else draw(st.sampled_from(({}, *ODD_HEADERS)))
    asked = f"{path}?{urlencode(query, errors='replace')}" if query else path
    return method, asked, body, headers, fits


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(requests())
@example(("POST", "/api/unified/pause", b"reason=%ff%00", {}, False))
@example(("HEAD", "/api/unified/status", None, {}, True))
def test_request_made_from_the_schema_is_answered_as_promised(
    page: Dashboard, request_: tuple[str, str, bytes | None, dict[str, str], bool]
) -> None:
    """Whatever is asked, the answer is one that the schema names, of the shape that it names (that
    is judged in `ask`), and never an error of our own; what fits the schema is no bad request.
    """
    method, path, body, headers, fits = request_
    reply: Reply = page.ask(method, path, body, {**page.bearer, **headers})
    assert reply.status < 500 or reply.status in (503, 504), reply.text
    if fits:
        assert reply.status not in (400, 405, 413, 422), reply.text
