"""Every public exception of the installed libraries has a row of ours: a new one fails here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest

from shared.errors import FailureClass
from shared.resilience.classification import classify_exception
from shared.resilience.classification_rows import EXCEPTION_ROWS

pytestmark = pytest.mark.unit

LIBRARIES = (
    "requests",
    "urllib3",
    "websockets",
    "alpaca",
    "pydantic",
    "pydantic_core",
    "json",
    "msgpack",
    "pybreaker",
    "ratelimit",
    "tenacity",
)
NOT_OURS = ("pydantic.v1", "pydantic.deprecated", "websockets.cli", "websockets.__main__")
"""Old interfaces kept for others, and programs; nothing here ever imports them."""
MISSING_EXTRAS = frozenset({"js", "OpenSSL", "socks", "h2", "trio", "tornado"})
"""Optional parts of the libraries, which are not installed with us and so raise nothing."""


def modules_of(library: str) -> Iterator[ModuleType]:
    """Yield the library and every module in it that can be imported here."""
    package = importlib.import_module(library)
    yield package
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{library}."):
        if found.name.startswith(NOT_OURS):
            continue
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError as missing:
            if missing.name not in MISSING_EXTRAS:
                raise


def exceptions_of(library: str) -> set[str]:
    """Return the qualified names of the library's own public exceptions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        members = [
            member
            for module in modules_of(library)
            for name in {*vars(module), *getattr(module, "__all__", ())}
            if inspect.isclass(member := getattr(module, name, None))
        ]
    return {
        f"{member.__module__}.{member.__qualname__}"
        for member in members
        if issubclass(member, Exception)
        and not issubclass(member, Warning)
        and member.__module__.split(".")[0] == library
        and "._internal." not in f"{member.__module__}."
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_vendor_library_when_it_grows_an_exception_then_this_fails(library: str) -> None:
    """Each exception of each module has a row of its own: a new one must be judged by us."""
    found = exceptions_of(library)
    assert found
    assert found - set(EXCEPTION_ROWS) == set(), "add rows to classification_rows.py"


def test_enumeration_when_it_looks_then_deep_modules_are_seen() -> None:
    """The walk finds what lies outside the modules named `exceptions`."""
    assert "requests.cookies.CookieConflictError" in exceptions_of("requests")
    assert "websockets.legacy.exceptions.InvalidStatusCode" in exceptions_of("websockets")
    assert "pydantic_core._pydantic_core.ValidationError" in exceptions_of("pydantic_core")


def test_exception_rows_when_named_then_the_class_exists() -> None:
    """No row speaks about an exception that the libraries no longer have."""
    for name in EXCEPTION_ROWS:
        module, _, kind = name.rpartition(".")
        assert hasattr(importlib.import_module(module), kind), name


def test_unknown_exception_when_it_inherits_then_judged_as_its_ancestor() -> None:
    """A subclass that a library or we add is judged by the nearest ancestor with a row."""

    class Novel(TimeoutError):
        """Nobody knows it."""

    verdict = classify_exception(Novel("x"))
    assert (verdict.failure_class, verdict.code) == (FailureClass.TRANSIENT, "timeout")
