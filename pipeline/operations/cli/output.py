"""Prints the answers of list commands: one place for every command and every format.

table   on a terminal for a person (`terminal`); otherwise a header line and a line per row, cells separated by tabs
csv     a header line and a line per row (`pipeline.base.csv_text`)
json    the server's document; one line unless on a terminal
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.base.csv_text import line
from pipeline.operations.cli import standard_output
from pipeline.operations.cli.cells import cell, exact, json_text, visible

LIST_FORMATS = ("table", "csv", "json")


@dataclass(frozen=True, slots=True)
class Listing:
    """The result of a list command. `document` is the same as JSON; `what` is a word for the rows."""

    columns: Sequence[str]
    rows: Iterable[Sequence[object]]
    document: Any
    what: str = "rows"


def show(listing: Listing, form: str) -> None:
    """Print in one of LIST_FORMATS."""
    if form == "json":
        print_json(listing.document)
    elif form == "csv":
        standard_output.write_lines(_csv(listing), utf8=True)
    else:
        print_rows(listing.columns, listing.rows, listing.what)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], what: str = "rows") -> None:
    """Print a table as described for the module."""
    names = [visible(name) for name in columns]
    if not standard_output.is_terminal():
        standard_output.write_lines(_tabbed(names, rows))
        return
    from pipeline.operations.cli.terminal import lines_of  # noqa: PLC0415  # imports rich, which pipes do not need

    kept = list(rows)
    numeric = [
        any(not isinstance(row[i], str | None) for row in kept)
        and all(row[i] is None or (isinstance(row[i], int | float) and not isinstance(row[i], bool)) for row in kept)
        for i in range(len(names))
    ]
    texts = (tuple(map(cell, row)) for row in kept)
    standard_output.write_lines(lines_of(names, texts, numeric))
    if not kept:
        note(f"no {what}")


def print_json(value: Any) -> None:
    """Print JSON: indented for a person, one line for a pipe."""
    text = json_text(value, 2 if standard_output.is_terminal() else None)
    standard_output.write_lines([text], utf8=True)


def print_text(text: str) -> None:
    """Print a text of ours unchanged."""
    standard_output.write_lines([text.removesuffix("\n")])


def note(text: str) -> None:
    """Print a remark for a person: on standard error, and only if that is a terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(text + "\n")


def _tabbed(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield "\t".join(columns)
    for row in rows:
        yield "\t".join(map(cell, row))


def _csv(listing: Listing) -> Iterator[str]:
    # on a terminal even CSV must not contain control characters; elsewhere it is unchanged
    ready = visible if standard_output.is_terminal() else str
    yield line(map(ready, listing.columns))
    for row in listing.rows:
        yield line(None if value is None else ready(exact(value)) for value in row)
