r"""One value as text, for a cell of a table or of CSV.

Numbers have all their digits (the shortest text that is read as the same number), booleans are `true` and `false`, null
is empty, and structured values are JSON. In a table a cell is always one line of visible characters: line ends, tabs
and other control characters are escaped, as `\n` and `\x1b`, so that a device cannot control the terminal. A backslash
in the value is not escaped; CSV and JSON contain the exact bytes.
"""

from __future__ import annotations

import json
import re
from typing import Any

# C0, DEL, C1; the line and paragraph separators; bidirectional controls; surrogates
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def cell(value: object) -> str:
    """A value in a table."""
    if isinstance(value, dict):
        value = " ".join(f"{name}={exact(item)}" for name, item in value.items())
    return visible(exact(value))


def exact(value: object) -> str:
    """A value in CSV, unescaped."""
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
    """`text` in one line without control characters."""
    return text if text.isprintable() else _STEERING.sub(_escape, text)


def json_text(value: Any, indent: int | None = None) -> str:
    r"""JSON without control characters for terminals: they are `\u....` in it."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "\n".join(line if line.isprintable() else _STEERING.sub(_json_escape, line) for line in text.split("\n"))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
