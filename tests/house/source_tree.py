"""Reads the project's own Python files for the house tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("shared", "services", "chaos", "tools")


@cache
def product_files() -> tuple[Path, ...]:
    """Return the product's modules, deploy_supervisor.py included."""
    found = [ROOT / "deploy_supervisor.py"]
    for folder in PRODUCT:
        found.extend(sorted((ROOT / folder).rglob("*.py")))
    return tuple(path for path in found if path.exists())


@cache
def all_files() -> tuple[Path, ...]:
    """Return the product's modules and the tests."""
    return product_files() + tuple(sorted((ROOT / "tests").rglob("*.py")))


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the parsed module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    """Return the path below the project's root, for messages."""
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, lazily or not, but not for type checking."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions_of(path: Path) -> tuple[Function, ...]:
    """Return every function and method of a file."""
    return tuple(node for node in ast.walk(tree_of(path)) if isinstance(node, Function))
