r"""CSV as this product writes it: RFC 4180 with `\n` as the end of a line. NULL is nothing, an empty text is `""`.

Fields are texts, or None for NULL. A row of one NULL is `""`, because most readers ignore an empty line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

MARKS = ',"\r\n'


def line(fields: Iterable[str | None]) -> str:
    """One row, without its end of line."""
    return ",".join("" if field is None else _field(field) for field in fields) or '""'


def lines(rows: Iterable[Sequence[object]], *, has_empty_texts: bool) -> str:
    """Rows with ends of line, of values as `csv.writer` takes them. Fast, but NULL and an empty text look the same."""
    if has_empty_texts:
        texts = ([None if value is None else str(value) for value in row] for row in rows)
        return "".join(f"{line(text)}\n" for text in texts)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _field(text: str) -> str:
    if text and not any(mark in text for mark in MARKS):
        return text
    return '"' + text.replace('"', '""') + '"'
