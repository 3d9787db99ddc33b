"""The limits of the house: small files, small functions, few parameters, honest names."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.source_tree import (
    ROOT,
    all_files,
    functions_of,
    name_of,
    product_files,
    tree_of,
)

pytestmark = pytest.mark.unit

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|misc|common)(_|$)")


def test_files_when_measured_then_none_is_longer_than_the_limit() -> None:
    """No file has more than 300 lines."""
    long = {
        name_of(path): lines
        for path in all_files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    }

    assert long == {}


def test_functions_when_measured_then_none_is_longer_than_the_limit() -> None:
    """No function has more than 50 lines."""
    long = {
        f"{name_of(path)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in all_files()
        for node in functions_of(path)
        if node.end_lineno and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    }

    assert long == {}


def test_names_when_read_then_none_says_nothing() -> None:
    """No file is called utils, helpers, manager, misc or common."""
    vague = [name_of(path) for path in all_files() if BANNED_NAMES.search(path.stem)]

    assert vague == []


def test_public_things_when_read_then_each_says_what_it_is() -> None:
    """Every module, public class and public module-level function has a docstring."""
    silent = []
    for path in product_files():
        tree = tree_of(path)
        if not ast.get_docstring(tree):
            silent.append(name_of(path))
        for node in tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("_") and not ast.get_docstring(node):
                silent.append(f"{name_of(path)}:{node.name}")

    assert silent == []


def test_tests_when_read_then_each_states_its_rule() -> None:
    """Every test says in its docstring which rule it proves."""
    silent = [
        f"{name_of(path)}:{node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in functions_of(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert silent == []
