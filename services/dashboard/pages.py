"""Templates: what is rendered on the server. Everything is escaped; nothing comes from afar."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.dashboard import chart
from services.dashboard.snapshot import SECTIONS
from services.dashboard.views import PageView

HERE = Path(__file__).parent
STATIC = HERE / "static"


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
    environment.globals.update(chart_width=chart.WIDTH, chart_height=chart.HEIGHT)
    return environment


def render(template: str, **values: Any) -> str:
    """Return a template filled with the values."""
    page = _environment().get_template(template).render(**values)
    # Half a character in somebody's words must not cost the whole page.
    return page.encode("utf-8", "replace").decode("utf-8")


def render_section(name: str, view: PageView) -> str:
    """Return one section of the page, as it stands inside its element."""
    return render(f"sections/{name}.html", view=view)


def render_page(view: PageView, *, signed_in: bool) -> str:
    """Return the whole page."""
    return render("page.html", view=view, signed_in=signed_in, sections=SECTIONS)
