r"""CSV as this product writes it: RFC 4180 with `\n` as the end of a line. NULL is nothing, an empty text is `""`.

Fields are texts, or None for NULL. A row of one NULL is `""`, because most readers ignore an empty line.
"""

from __future__ import annotations

from collections.abc import Iterable

MARKS = ',"\r\n'


def line(fields: Iterable[str | None]) -> str:
    """One row, without its end of line."""
    return ",".join("" if field is None else _field(field) for field in fields) or '""'


def _field(text: str) -> str:
    if text and not any(mark in text for mark in MARKS):
        return text
    return '"' + text.replace('"', '""') + '"'
