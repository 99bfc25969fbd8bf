"""The rows of a CSV file of a batch load, with the lines that each takes in the file, from 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.objects.location import S3Location
from store.objects.read_files import open_file


class FileFault(Exception):
    """The file cannot be loaded; the message says why."""


@dataclass(frozen=True, slots=True)
class CsvRow:
    """The values of a row by column, None for null, or `fault`: why it has none."""

    first_line: int
    last_line: int
    values: Mapping[str, str | None]
    fault: str = ""


def read_rows(
    place: Path | S3Location, path: str, form: Mapping[str, Any], columns: Iterable[str]
) -> Generator[CsvRow, None, None]:
    """The rows after the header, which must have these columns. Raises FileFault, OSError.

    `form`: the CsvConfiguration.
    """
    with open_file(place, path) as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
        reader = csv.reader(
            text,
            delimiter=form.get("ColumnSeparator") or ",",
            quotechar=form.get("QuoteChar") or '"',
            escapechar=form.get("EscapeChar") if form.get("EscapeChar") != (form.get("QuoteChar") or '"') else None,
        )
        names = _header(reader, columns)
        first = reader.line_num + 1
        while (row := _next(reader, first, names, form)) is not None:
            first = reader.line_num + 1
            if row.fault or row.values:
                yield row


def _header(reader: Any, columns: Iterable[str]) -> list[str]:
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise FileFault(f"The header cannot be read: {error}") from error
    missing = sorted(set(columns) - set(names))
    if missing:
        raise FileFault(f"The header has no column {', '.join(missing)}.")
    if len(set(names)) < len(names):
        raise FileFault("The header has a column twice.")
    return names


def _next(reader: Any, first: int, names: list[str], form: Mapping[str, Any]) -> CsvRow | None:
    """The next row, without values if the line is empty; None at the end."""
    try:
        cells = next(reader, None)
    except csv.Error as error:
        return CsvRow(first, reader.line_num, {}, f"The row cannot be read: {error}")
    if cells is None:
        return None
    lines = first, reader.line_num
    if not cells:
        return CsvRow(*lines, {})
    if len(cells) != len(names):
        return CsvRow(*lines, {}, f"The row has {len(cells)} values; the header has {len(names)}.")
    if any("\ud800" <= character <= "\udfff" for cell in cells for character in cell):
        return CsvRow(*lines, {}, "The row is not UTF-8.")
    trims, null = form.get("TrimWhiteSpace"), form.get("NullValue") or ""
    texts = [cell.strip() for cell in cells] if trims else cells
    return CsvRow(*lines, {name: None if text in {"", null} else text for name, text in zip(names, texts, strict=True)})
