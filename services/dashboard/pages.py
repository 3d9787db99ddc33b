"""Templates: what is rendered on the server. Everything is escaped; nothing comes from afar."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.dashboard import chart, runbook
from services.dashboard.views import PageView
from services.dashboard.views_log import LogView

HERE = Path(__file__).parent
STATIC = HERE / "static"
RUNBOOK = HERE.parents[1] / "RUNBOOK.md"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        chart_width=chart.WIDTH, chart_height=chart.HEIGHT, under_height=chart.UNDER_HEIGHT
    )
    environment.filters["with_runbook"] = runbook.with_runbook
    return environment


def render(template: str, **values: Any) -> str:
    """Return a template filled with the values."""
    page = _environment().get_template(template).render(**values)
    # Half a character in somebody's words must not cost the whole page.
    return page.encode("utf-8", "replace").decode("utf-8")


def render_section(name: str, view: PageView) -> str:
    """Return one section of the page, as it stands inside its element."""
    return render(f"sections/{name}.html", view=view)


def render_page(view: PageView, log: LogView, *, signed_in: bool, symbol: str = "") -> str:
    """Return the whole page; `symbol` stands already in the form that closes a position."""
    return render("page.html", view=view, log=log, signed_in=signed_in, symbol=symbol)


@lru_cache(maxsize=1)
def book() -> tuple[runbook.Part, ...]:
    """Return the runbook's blocks, read once; none when the file is not beside the program."""
    try:
        return runbook.parts(RUNBOOK.read_text(encoding="utf-8"))
    except OSError:
        return ()
