"""Mustache templates, rendered by `pystache`: names, sections, and no logic. Pure.

A template reads values that it is given, and nothing else: there are no partials, no files and no calls. Mustache was
chosen over Jinja2, whose sandbox has been escaped more than once; and pystache over chevron, which escapes for HTML
alone. Source: mustache.github.io/mustache.5.html.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

LONGEST_TEMPLATE = 16_384
LONGEST_RESULT = 1 << 20
_SECTION_TAG = re.compile(r"\{\{\s*([#^/])\s*([^}\s]+)\s*\}\}")


class TemplateError(Exception):
    """A template cannot be parsed, or what it makes is too long."""


def check_template(text: str) -> str:
    """`text`, if it is a template. Raises ValueError."""
    from pystache.parser import ParsingError, parse  # noqa: PLC0415  # 25 ms, only for who writes templates

    if len(text) > LONGEST_TEMPLATE:
        raise ValueError(f"a template has at most {LONGEST_TEMPLATE} characters; this one has {len(text)}")
    try:
        parse(text)
    except ParsingError as error:
        raise ValueError(f"it is not a Mustache template: {error}") from error
    opened = [name for kind, name in _SECTION_TAG.findall(text) if kind != "/"]
    closed = [name for kind, name in _SECTION_TAG.findall(text) if kind == "/"]
    if len(opened) > len(closed):  # pystache would leave out the rest of the text
        raise ValueError(f"it is not a Mustache template: {{{{#{opened[-1]}}}}} is not closed")
    return text


def render(text: str, values: Mapping[str, Any], escape: Callable[[str], str]) -> str:
    """The text that a checked template makes of `values`, each escaped unless it is in three braces.

    Raises TemplateError.
    """
    from pystache import Renderer  # noqa: PLC0415  # as above

    result: str = Renderer(escape=escape, partials={}, search_dirs=[]).render(text, values)
    if len(result) > LONGEST_RESULT:
        raise TemplateError(f"the template makes {len(result)} characters; at most {LONGEST_RESULT} are sent")
    return result


def escape_for(content_type: str) -> Callable[[str], str]:
    """How values are escaped in a text of this type: JSON as in a string of it, HTML and XML by entities."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return _escape_json
    if kind.endswith(("/html", "/xml", "+xml")):
        return html.escape
    return str


def _escape_json(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]
