"""The published schema of the dashboard as a judge: did an answer keep what was promised?"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import requests
from jsonschema import Draft202012Validator

from services.dashboard.app import ROUTES
from services.dashboard.openapi import described

LOST = (404, 405)
"""Where no route is, or none for the method, there is no promise but the shape of a refusal."""


class Published:
    """One document, and what it says of requests and answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._places = [
            (method.upper(), _pattern(path), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """What is promised for a request, None where no route is."""
        bare = path.partition("?")[0]
        method = "GET" if method == "HEAD" else method
        return next(
            (found for verb, place, found in self._places if verb == method and place(bare)), None
        )

    def broken_promise(
        self, method: str, path: str, status: int, headers: dict[str, str], body: bytes
    ) -> str:
        """Return in which way an answer is not as promised; empty when it is."""
        operation = self.operation(method, path)
        if operation is None:
            return "" if status in LOST else f"{status} where no route is"
        promised = operation["responses"].get(str(status))
        if promised is None:
            return f"{status} is not promised for {method} {path}: {body[:200]!r}"
        content = self._resolved(promised)["content"]
        kind = headers.get("content-type", "").partition(";")[0]
        if kind and kind not in content and "*/*" not in content:
            return f"{method} {path} {status} comes as {kind}, promised are {sorted(content)}"
        if method == "HEAD" or not kind.endswith("json"):
            return ""
        faults = self._judge(json.dumps(content[kind]["schema"])).iter_errors(json.loads(body))
        return "; ".join(f"{fault.json_path}: {fault.message:.300}" for fault in faults)

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        name = part.get("$ref", "").rpartition("/")[2]
        found: dict[str, Any] = self.document["components"]["responses"][name] if name else part
        return found

    @cache  # noqa: B019  a handful of schemas, for as long as the tests run
    def _judge(self, schema: str) -> Draft202012Validator:
        whole = {**json.loads(schema), "components": self.document["components"]}
        return Draft202012Validator(whole)


def _pattern(path: str) -> Any:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path)).fullmatch


@cache
def published() -> Published:
    """The schema of this code, as a dashboard on loopback publishes it."""
    return Published(described(ROUTES, on_loopback=True))


NAMES = {"{service}": "trading-bot", "{name}": "page.css"}
"""What stands in the addresses of a running system."""


def broken_promises(base_url: str) -> list[str]:
    """Ask a running page for everything that can be read; return what is not as published."""
    found = []
    for row in ROUTES:
        if row.method != "GET" or row.path == "/api/events":
            continue
        path = row.path
        for name, value in NAMES.items():
            path = path.replace(name, value)
        reply = requests.get(base_url.rstrip("/") + path, timeout=10)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        broken = published().broken_promise("GET", path, reply.status_code, headers, reply.content)
        found += [broken] if broken else []
        found += [f"{path} is {reply.status_code}"] if reply.status_code != 200 else []
    return found
