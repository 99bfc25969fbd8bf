r"""One value as one piece of text: what stands in a cell of a table or of CSV.

Numbers have all their digits (the shortest text that reads back as the same number), truths are `true` and `false`,
nothing is empty, and what has parts is JSON. In a table a cell is always one line of visible characters: line ends,
tabs and what else steers a terminal are written as escapes, as in `\n` and `\x1b`: a device must not reach the screen.
A backslash of the value stays as it is; who needs every byte back takes CSV or JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

# C0, DEL, C1; the line and paragraph separators; what turns the direction of writing; halves of characters
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def cell(value: object) -> str:
    """A value in a table."""
    if isinstance(value, dict):
        value = " ".join(f"{name}={exact(item)}" for name, item in value.items())
    return visible(exact(value))


def exact(value: object) -> str:
    """A value in CSV: every character as it is."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return json_text(value)
    return repr(value) if isinstance(value, float) else str(value)


def visible(text: str) -> str:
    """`text` in one line that moves no terminal."""
    return text if text.isprintable() else _STEERING.sub(_escape, text)


def json_text(value: Any, indent: int | None = None) -> str:
    r"""JSON that moves no terminal: control characters are `\u....` in it."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "\n".join(line if line.isprintable() else _STEERING.sub(_json_escape, line) for line in text.split("\n"))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
