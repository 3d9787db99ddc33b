"""Which packages the product needs at run time, and which of them this interpreter lacks.

Asked before a start: a child that dies for want of a package would only be restarted in vain.
"""

from __future__ import annotations

from importlib.util import find_spec

IMPORT_NAMES = {
    "alpaca-py": "alpaca",
    "apprise": "apprise",
    "filelock": "filelock",
    "jinja2": "jinja2",
    "msgpack": "msgpack",
    "prometheus-client": "prometheus_client",
    "psutil": "psutil",
    "pybreaker": "pybreaker",
    "pydantic": "pydantic",
    "pydantic-settings": "pydantic_settings",
    "python-json-logger": "pythonjsonlogger",
    "ratelimit": "ratelimit",
    "requests": "requests",
    "rich": "rich",
    "sse-starlette": "sse_starlette",
    "starlette": "starlette",
    "supervisor": "supervisor",
    "tenacity": "tenacity",
    "tzdata": "tzdata",
    "uvicorn": "uvicorn",
    "websockets": "websockets",
}
"""Import name of each package that pyproject.toml names."""


def missing_packages() -> list[str]:
    """Return the packages that cannot be imported here, by their names in pyproject.toml."""
    return sorted(package for package, name in IMPORT_NAMES.items() if find_spec(name) is None)
