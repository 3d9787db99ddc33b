"""The result of a backtest as one page that needs nothing else. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from services.trading_bot.backtest.charts import Mark, curve_svg

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;width:100%;margin:.6em 0 1.6em}
th,td{text-align:left;padding:.2em .6em;border-bottom:1px solid #8884}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto} svg text{font-size:11px;fill:currentColor}
.curve{fill:none;stroke:#3273c9;stroke-width:1.4} .entry{fill:#888}
.won{fill:#2b8a3e} .lost{fill:#c92a2a} .bad{color:#c92a2a;font-weight:bold}
"""
_PRICE_CHARACTERS = 12
TOLD_MAX = 50
"""The document holds all of what is wrong, the page the first of it."""
_MEASURES = (
    ("pnl", "profit or loss, dollars"),
    ("realized_pnl", "of it realized"),
    ("equity_end", "equity at the end"),
    ("sharpe", "Sharpe ratio"),
    ("sharpe_days", "made of so many days"),
    ("max_drawdown", "deepest fall from a peak, as a fraction"),
    ("win_rate", "won share of trades won or lost"),
    ("trades", "trades"),
    ("spread_paid", "spread paid, dollars"),
    ("fees", "fees and other cash movements, dollars"),
    ("turnover", "bought and sold, dollars"),
)


def result_page(document: Mapping[str, Any]) -> str:
    """Return the page for a result document."""
    terms, report = document["terms"], document["report"]
    title = f"Backtest {terms['from']} to {terms['to']}: {', '.join(report['symbols'])}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>Strategies {escape(', '.join(terms['strategies']))}; {terms['cash']} dollars; "
        f"{terms['bars']} bars; spread {terms['spread_bps']} bps; seed {terms['seed']}. "
        "What happened on these bars promises nothing for others.</p>",
        _verdict(document),
        _measures(document["measures"]),
        _charts(document),
        _table("Trades", report["trades"], _TRADE_COLUMNS),
        _table("Open positions", report["open_positions"], _OPEN_COLUMNS),
        _counts("Exits by reason", report["exits_by_reason"]),
        _counts("Denials by check", report["denials"]),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


_TRADE_COLUMNS = (
    "symbol", "qty", "entered_at", "entry_price", "exited_at", "exit_price", "pnl", "strategy",
    "exit_reason",
)  # fmt: skip
_OPEN_COLUMNS = ("symbol", "qty", "entry_price", "current_price", "stop_price", "stop_qty")
_NUMBERS = frozenset(("qty", "entry_price", "exit_price", "pnl", "current_price", "stop_price"))


def _verdict(document: Mapping[str, Any]) -> str:
    audit, report = document["audit"], document["report"]
    words = [
        _line(audit["agrees"], "Cash and every trade agree to the cent with the broker's fills"),
        _line(bool(report["equals_exchange"]), "Local state equals the exchange"),
        _line(
            all(row["covered"] for row in report["open_positions"]),
            "Every open position has a live stop",
        ),
    ]
    words.append(_line(not audit["limits_broken"], "Every limit held at every entry"))
    words.append(_line(not audit["stops_missing"], "A stop stood behind every share"))
    told = [*audit["disagreements"], *audit["limits_broken"], *audit["stops_missing"]]
    words += [f'<li class="bad">{escape(one)}</li>' for one in told[:TOLD_MAX]]
    return f"<ul>{''.join(words)}</ul>"


def _line(holds: bool, words: str) -> str:
    return (
        f"<li>{escape(words)}: yes</li>" if holds else f'<li class="bad">{escape(words)}: NO</li>'
    )


def _measures(measures: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th>{escape(words)}</th><td class="n">{_shown(measures[name])}</td></tr>'
        for name, words in _MEASURES
    )
    return f"<table>{rows}</table><p>Sharpe: {escape(measures['sharpe_formula'])}.</p>"


def _shown(value: object) -> str:
    return "none" if value is None else escape(str(value))


def _charts(document: Mapping[str, Any]) -> str:
    curve = document["curve"]
    if not curve:
        return "<p>No equity was recorded.</p>"
    ends = (curve[0]["at"][:10], curve[-1]["at"][:10])
    equity = [float(point["equity"]) for point in curve]
    falls = [-100 * float(point["drawdown"]) for point in curve]
    moments = [point["at"] for point in curve]
    marks = _trade_marks(document["report"]["trades"], moments, equity)
    return (
        "<h2>Equity, with the trades</h2>"
        + curve_svg("Equity in dollars", equity, ends, marks)
        + "<h2>Drawdown</h2>"
        + curve_svg("Fall from the peak in percent", falls, ends)
    )


def _trade_marks(
    trades: Sequence[Mapping[str, str]], moments: Sequence[str], equity: Sequence[float]
) -> list[Mark]:
    marks: list[Mark] = []
    for trade in trades:
        won = float(trade["pnl"]) > 0
        words = f"{trade['symbol']} {trade['pnl']}: {trade['exit_reason']}"
        marks.append(_mark(trade["entered_at"], moments, equity, ("entry", trade["symbol"])))
        kind = "won" if won else "lost"
        marks.append(_mark(trade["exited_at"], moments, equity, (kind, words)))
    return marks


def _mark(at: str, moments: Sequence[str], equity: Sequence[float], look: tuple[str, str]) -> Mark:
    place = min(bisect.bisect_left(moments, at), len(moments) - 1)
    return float(place), equity[place], look[0], look[1]


def _table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    if not rows:
        return f"<h2>{escape(title)}</h2><p>None.</p>"
    head = "".join(f"<th{_class(name)}>{escape(name.replace('_', ' '))}</th>" for name in columns)
    lines = "".join(
        "<tr>" + "".join(f"<td{_class(name)}>{_cell(name, row)}</td>" for name in columns) + "</tr>"
        for row in rows
    )
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{lines}</table>"


def _class(name: str) -> str:
    return ' class="n"' if name in _NUMBERS else ""


def _cell(name: str, row: Mapping[str, Any]) -> str:
    text = _shown(row[name])
    if name.endswith("_price"):
        return text[:_PRICE_CHARACTERS]
    return text.removesuffix(".000Z").replace("T", " ") if name.endswith("_at") else text


def _counts(title: str, counts: Mapping[str, int]) -> str:
    words = ", ".join(f"{escape(name)} {count}" for name, count in counts.items()) or "none"
    return f"<h2>{escape(title)}</h2><p>{words}</p>"
