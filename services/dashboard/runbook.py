"""Pure: RUNBOOK.md as the page shows it, and the way there from a sentence that names a section.

Of Markdown only what the runbook uses: headings, lists of one level, bold, code, links. All text
is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

_NAMED = re.compile(r"RUNBOOK\.md#([\w-]+)")
_HEADING = re.compile(r"^(#{1,3}) (.+)$")
_INLINE = re.compile(
    r"\*\*(?P<bold>.+?)\*\*|`(?P<code>[^`]+)`|\[(?P<text>[^\]]+)\]\((?P<to>[^)]+)\)"
)
_LINK = Markup('<a href="/runbook#{section}">RUNBOOK.md#{section}</a>')
_NO_TEXT = Markup()


@dataclass(frozen=True, slots=True)
class Part:
    """One block: `kind` is h1, h2, h3, p or list."""

    kind: str
    text: Markup = _NO_TEXT
    anchor: str = ""
    items: tuple[Markup, ...] = ()


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def parts(text: str) -> tuple[Part, ...]:
    """Return the blocks of the document."""
    return tuple(_part(block) for block in _blocks(text.splitlines()))


def with_runbook(sentence: str) -> Markup:
    """Return the sentence with each named section of the runbook as a link to it."""
    return _marked(_NAMED, sentence, lambda found: _LINK.format(section=found[1]))


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        is_heading = _HEADING.match(line) is not None
        if block and (is_heading or not line.strip()):
            yield block
            block = []
        if is_heading:
            yield [line]
        elif line.strip():
            block.append(line)


def _part(block: list[str]) -> Part:
    heading = _HEADING.match(block[0])
    if heading is not None:
        words = heading.group(2)
        return Part(f"h{len(heading.group(1))}", _inline(words), anchor_of(words))
    if not block[0].startswith("- "):
        return Part("p", _inline(" ".join(block)))
    return Part("list", items=tuple(_inline(item) for item in _items(block)))


def _items(block: list[str]) -> list[str]:
    items: list[str] = []
    for line in block:
        if line.startswith("- "):
            items.append(line.removeprefix("- "))
        else:
            items[-1] += f" {line.strip()}"
    return items


def _inline(text: str) -> Markup:
    return _marked(_INLINE, text, _mark)


def _marked(pattern: re.Pattern[str], text: str, mark: Callable[[re.Match[str]], Markup]) -> Markup:
    """Return the text, escaped, with each match as `mark` shows it."""
    told, place = Markup(), 0
    for found in pattern.finditer(text):
        told += escape(text[place : found.start()]) + mark(found)
        place = found.end()
    return told + escape(text[place:])


def _mark(found: re.Match[str]) -> Markup:
    if found["bold"] is not None:
        return Markup("<b>{}</b>").format(_inline(found["bold"]))
    if found["code"] is not None:
        return Markup("<code>{}</code>").format(found["code"])
    # What lies outside the runbook is no page of ours.
    if not found["to"].startswith("#"):
        return _inline(found["text"])
    return Markup('<a href="{}">{}</a>').format(found["to"], found["text"])
