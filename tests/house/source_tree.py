"""Reads the project's own Python files for the house tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("shared", "services", "chaos", "tools")


@lru_cache(maxsize=1)
def product_files() -> tuple[Path, ...]:
    """Return the product's modules, deploy_supervisor.py included."""
    found = [ROOT / "deploy_supervisor.py"]
    for folder in PRODUCT:
        found.extend(sorted((ROOT / folder).rglob("*.py")))
    return tuple(path for path in found if path.exists())


@lru_cache(maxsize=1)
def all_files() -> tuple[Path, ...]:
    """Return the product's modules and the tests."""
    return product_files() + tuple(sorted((ROOT / "tests").rglob("*.py")))


@lru_cache(maxsize=1000)
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


def functions_of(path: Path) -> Iterator[Function]:
    """Yield every function and method of a file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
