"""report.html: the scorecard with one picture of time per drill; no script, no foreign address."""

from __future__ import annotations

from html import escape
from typing import Any

from chaos.summary import TIMES

WIDTH, BAR_Y, BAR_HEIGHT = 900, 24, 22
COLOURS = {"OK": "#2e7d32", "DEGRADED": "#f9a825", "FAILED": "#c62828"}
STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem;"
    "color:#1b1b1b;background:#fff}h1{font-size:1.5rem}section{margin:2rem 0}"
    "h2{font-size:1.1rem;margin:.2rem 0}.PASSED{color:#2e7d32}.FAILED,.ABORTED{color:#c62828}"
    ".INCONCLUSIVE,.NOT{color:#b26a00}table{border-collapse:collapse}td,th{padding:.2rem .8rem;"
    "text-align:left;border-bottom:1px solid #ddd}svg{width:100%;height:auto}"
    "svg.trend{width:auto}"
    "@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}text{fill:#eee}}"
)


def page_of(report: dict[str, Any]) -> str:
    """Return the whole page."""
    rows = "".join(
        f"<tr><td>{escape(one['name'])}</td><td class='{_word(one)}'>{escape(one['verdict'])}</td>"
        f"{''.join(f'<td>{_shown(one[time])}</td>' for time in TIMES)}<td>{_trend(one)}</td></tr>"
        for one in report["drills"]
    )
    sections = "".join(_section(one) for one in report["drills"])
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><title>Chaos drills</title>"
        f"<style>{STYLE}</style><h1>Chaos drills: <span class='{report['verdict']}'>"
        f"{report['verdict']}</span></h1><p>{report['started_at']} to {report['ended_at']}, "
        f"seed {report['seed']}</p><table><tr><th>drill<th>verdict<th>detected<th>answered"
        f"<th>alert<th>recovered<th>earlier recoveries</tr>{rows}</table>"
        f"{_summary(report['summary'])}{sections}</html>\n"
    )


def _summary(summary: dict[str, Any]) -> str:
    """Return the table of medians, empty when no drill was repeated."""
    if all(row["runs"] == 1 for row in summary.values()):
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{row['passed']} of {row['runs']}</td>"
        f"{''.join(f'<td>{_spread(row[time])}</td>' for time in TIMES)}</tr>"
        for name, row in summary.items()
    )
    return (
        "<h2>Over the repeats: median / worst</h2><table><tr><th>drill<th>passed<th>detected"
        f"<th>answered<th>alert<th>recovered</tr>{rows}</table>"
    )


def _spread(spread: dict[str, float] | None) -> str:
    return "-" if spread is None else f"{spread['median']:.1f} / {spread['worst']:.1f} s"


def _trend(drill: dict[str, Any]) -> str:
    """Draw the recoveries of earlier runs and, last and filled, this one's."""
    values = [*drill.get("earlier", ()), drill["recover_s"] or 0.0]
    if len(values) == 1:
        return "-"
    top = max(values) or 1.0
    bars = "".join(
        f"<rect x='{3 * place}' y='{16 - height:.1f}' width='2' height='{height:.1f}' "
        f"fill='{'#1565c0' if place == len(values) - 1 else '#999'}'/>"
        for place, height in enumerate(max(1.0, value / top * 16) for value in values)
    )
    words = f"recovered in s: {', '.join(f'{value:.1f}' for value in values)}"
    return (
        f"<svg class='trend' viewBox='0 0 {3 * len(values)} 16' width='{3 * len(values)}' "
        f"height='16' role='img'><title>{words}</title>{bars}</svg>"
    )


def _word(drill: dict[str, Any]) -> str:
    return str(drill["verdict"]).split()[0]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _section(drill: dict[str, Any]) -> str:
    grounds = "".join(f"<li>{escape(text)}</li>" for text in drill["grounds"])
    return (
        f"<section><h2>{escape(drill['name'])} <span class='{_word(drill)}'>"
        f"{escape(drill['verdict'])}</span></h2><p>{escape(drill['breaks'])}. Acted "
        f"{drill['acted']} times ({escape(drill['proof'])}; {escape(drill['detail'])}).</p>"
        f"{_picture(drill)}<ul>{grounds}</ul></section>"
    )


def _picture(drill: dict[str, Any]) -> str:
    """Draw health over time with the moments of the drill; empty when nothing was seen."""
    line = drill["timeline"]
    if not line:
        return ""
    fault_s = drill["fault_s"] or 0.0
    end_s = max(line[-1]["at_s"], fault_s + (drill["recover_s"] or 0.0)) + 1.0
    begin_s = min(0.0, line[0]["at_s"])

    def x(at_s: float) -> float:
        return float(round((at_s - begin_s) / (end_s - begin_s) * WIDTH, 1))

    ends = [one["at_s"] for one in line[1:]] + [end_s]
    bars = "".join(
        f"<rect x='{x(one['at_s'])}' y='{BAR_Y}' width='{max(x(until) - x(one['at_s']), 0.5):.1f}' "
        f"height='{BAR_HEIGHT}' fill='{COLOURS.get(one['overall'], '#777')}'>"
        f"<title>{one['at_s']:.1f} s {escape(one['code'])}, {escape(one['trading'])}: "
        f"{escape(one['reason'])}</title></rect>"
        for one, until in zip(line, ends, strict=True)
    )
    recovered = None if drill["recover_s"] is None else fault_s + drill["recover_s"]
    marks = (
        ("fault", 0.0, 14),
        ("detected", drill["detect_s"], 62),
        ("answered", drill["respond_s"], 76),
        ("alert", drill["alert_s"], 76),
        ("over", fault_s, 14),
        ("recovered", recovered, 62),
    )
    told = "".join(
        f"<line x1='{x(at_s)}' x2='{x(at_s)}' y1='16' y2='54' stroke='currentColor'/>"
        f"<text x='{min(x(at_s), WIDTH - 110)}' y='{y}' font-size='11'>{name} {at_s:.1f} s</text>"
        for name, at_s, y in marks
        if at_s is not None
    )
    return (
        f"<svg viewBox='0 0 {WIDTH} 82' role='img' aria-label='health over time'>{bars}{told}</svg>"
    )
