"""One door each: to the vendors, to the clock, to the broker; decisions reach no effect."""

from __future__ import annotations

import ast
import re
from pathlib import PurePath

import pytest

from tests.house.source_tree import functions_of, imports_of, name_of, product_files, tree_of

pytestmark = pytest.mark.unit

EFFECTS = frozenset(
    {
        "asyncio",
        "http",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "requests",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "alpaca",
        "pydantic",
        "starlette",
        "uvicorn",
        "websockets",
        "filelock",
        "psutil",
        "tenacity",
    }
)
TEXT_ONLY = frozenset({"urllib.parse"})
"""Parts of a banned package that only read text."""
PURE_FOLDERS = (
    "shared/models/",
    "shared/events/",
    "shared/health/",
    "shared/risk/",
    "services/trading_bot/strategies/",
)
PURE_FILES = frozenset(
    {
        "access.py",
        "account.py",
        "bodies.py",
        "chart.py",
        "coverage.py",
        "exits.py",
        "formats.py",
        "groups.py",
        "lockstep.py",
        "matching.py",
        "orchestrator.py",
        "partial_entry.py",
        "plan.py",
        "plan_steps.py",
        "rebuild.py",
        "restart_policy.py",
        "tolerant.py",
        "trailing.py",
    }
)
PURE_NAMES = re.compile(r"(views|reconcile)(_\w+)?\.py")
PURE_PATHS = frozenset(
    f"services/{path}.py"
    for path in (
        "data_daemon/restated",
        "trading_bot/backtest/audit",
        "trading_bot/backtest/charts",
        "trading_bot/backtest/measures",
        "trading_bot/backtest/page",
        "trading_bot/backtest/result",
        "trading_bot/brain/answers",
        "trading_bot/brain/asking",
        "trading_bot/brain/bracket",
        "trading_bot/brain/clamps",
        "trading_bot/brain/deaths",
        "trading_bot/brain/regime",
        "trading_bot/brain/trial_market",
        "trading_bot/brain/universe",
        "trading_bot/gates",
        "trading_bot/indicators",
        "trading_bot/tuning/weighing",
    )
)
"""Decisions whose names others bear too."""
CLOCK_READS = re.compile(
    r"\btime\.(time|monotonic|perf_counter|clock_gettime)(_ns)?\(|\bdatetime\.(now|utcnow|today)\("
)
MAY_READ_CLOCK = frozenset({"shared/clock.py"})
MAY_IMPORT = {
    "alpaca": re.compile(r"shared/vendors/alpaca_\w+\.py|shared/resilience/classification\w*\.py"),
    "requests": re.compile(r"shared/resilience/\w+\.py|shared/vendors/alpaca_\w+\.py"),
}


def is_pure(name: str) -> bool:
    """Whether a file holds decisions only."""
    return (
        name.startswith(PURE_FOLDERS)
        or name in PURE_PATHS
        or bool(
            name.startswith("services/")
            and (PurePath(name).name in PURE_FILES or PURE_NAMES.fullmatch(PurePath(name).name))
        )
    )


def test_decisions_when_they_import_then_no_effect_is_reached() -> None:
    """Models, events, health, risk and every plan import nothing that acts."""
    reached = {
        f"{name_of(path)} imports {module}"
        for path in product_files()
        if is_pure(name_of(path))
        for module in imports_of(path)
        if module not in TEXT_ONLY
        if module.split(".")[0] in EFFECTS or module == "shared.clock"
    }

    assert reached == set()
    assert {name_of(path) for path in product_files()} >= PURE_PATHS


def test_vendor_libraries_when_imported_then_only_by_their_door() -> None:
    """alpaca-py and requests are imported in one place each."""
    strays = {
        f"{name_of(path)} imports {module}"
        for path in product_files()
        for module in imports_of(path)
        if (door := MAY_IMPORT.get(module.split(".")[0])) and not door.fullmatch(name_of(path))
    }

    assert strays == set()


def test_time_when_read_then_only_by_the_clock() -> None:
    """Nobody but shared/clock.py reads the machine's clocks."""
    strays = {
        f"{name_of(path)}:{number}"
        for path in product_files()
        if name_of(path) not in MAY_READ_CLOCK and not name_of(path).startswith("tools/")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if CLOCK_READS.search(line)
    }

    assert strays == set()


def test_approved_when_made_then_only_by_the_guard() -> None:
    """Only the trade guard asks for the seal that makes an Approved."""
    callers = {
        name_of(path)
        for path in product_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
        == "seal_for_guard"
    }

    assert callers == {"shared/risk/trade_guard.py"}


def test_broad_handlers_when_read_then_none_swallows_silently() -> None:
    """No bare except, and no `except Exception: pass`."""
    silent = {
        f"{name_of(path)}:{node.lineno}"
        for path in product_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (
                isinstance(node.type, ast.Name)
                and node.type.id in ("Exception", "BaseException")
                and all(isinstance(step, ast.Pass) for step in node.body)
            )
        )
    }

    assert silent == set()


def test_randomness_when_used_then_it_is_seeded() -> None:
    """Nobody draws from the module-level, unseeded generator."""
    calls = {
        f"{name_of(path)}:{node.lineno}"
        for path in product_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "random"
        and node.func.attr != "Random"
    }

    assert calls == set()


def test_functions_when_they_have_defaults_then_none_is_mutable() -> None:
    """No default argument is a list, dict or set that calls would share."""
    shared = {
        f"{name_of(path)}:{node.name}"
        for path in product_files()
        for node in functions_of(path)
        for default in (*node.args.defaults, *node.args.kw_defaults)
        if isinstance(default, ast.List | ast.Dict | ast.Set)
    }

    assert shared == set()
