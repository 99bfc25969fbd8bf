"""Rows for a person at a terminal: a table if it fits, else a block per row; no cell is truncated.

The widths are those of the first rows, so that a long answer begins at once. If these need more columns than the
terminal has, every row is a block of `name  value` lines. A wider cell in a later row shifts its line.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len

SAMPLE = 1_000  # rows that determine the widths
GAP = "  "
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def lines_of(columns: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]) -> Iterator[str]:
    """The lines to print, for the size of this terminal; `numeric` columns are right-aligned."""
    rows = iter(rows)
    sample = list(itertools.islice(rows, SAMPLE))
    widths = [max(_width(name), *(_width(row[i]) for row in sample), 0) for i, name in enumerate(columns)]
    everything = itertools.chain(sample, rows)
    if sum(widths) + len(GAP) * (len(widths) - 1) <= shutil.get_terminal_size().columns:
        return _table(columns, everything, widths, numeric)
    return _blocks(columns, everything)


def bold(text: str) -> str:
    """`text` as a heading, if the terminal supports it and NO_COLOR is not set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"{_BOLD}{text}{_PLAIN}"


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int], numeric: Sequence[bool]
) -> Iterator[str]:
    yield bold(_line(columns, widths, numeric))
    for row in rows:
        yield _line(row, widths, numeric)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = []
    for text, width, to_the_right in zip(cells, widths, numeric, strict=True):
        space = " " * (width - _width(text))
        padded.append(space + text if to_the_right else text + space)
    return GAP.join(padded).rstrip()


def _blocks(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    width = max(map(_width, columns))
    names = [name + " " * (width - _width(name)) + GAP for name in columns]
    for number, row in enumerate(rows, start=1):
        yield bold(f"-[ {number} ]{'-' * max(0, width - len(str(number)) - 5)}")
        for name, text in zip(names, row, strict=True):
            yield (name + text).rstrip()


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
