"""How an import goes on, on standard error if that is a terminal: rows, their rate, and how long it will still take."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.operations.importing.journal import Journal


class _Silent:
    def sent(self, rows: int) -> None:
        """See `Progress`."""

    def compared(self, rows: int) -> None:
        """See `Progress`."""


class _Step:
    """A line, from when its first rows are done; `total` is None if it is not known."""

    def __init__(self, shown: Any, name: str, total: int | None) -> None:
        self._shown, self._began_s, self._rows = shown, time.monotonic(), 0
        of = "" if total is None else f" of {total:,}"
        self._task = shown.add_task(name, total=total, of=of, rate="", visible=False)

    def done(self, rows: int, *, is_now: bool = True) -> None:
        """So many more rows are done; not `is_now`: in a run before."""
        self._rows += rows if is_now else 0
        rate = self._rows / max(time.monotonic() - self._began_s, 0.001)
        self._shown.update(self._task, advance=rows, rate=f"{rate:,.0f} rows/s", visible=True)


class _Shown:
    """See `Progress` of `pipeline.operations.importing.run`."""

    def __init__(self, shown: Any, journal: Journal, total: int | None) -> None:
        self._shown, self._journal, self._lock = shown, journal, threading.Lock()
        self._stored = _Step(shown, "stored", total)
        self._compared: _Step | None = None
        self._stored.done(_rows(journal), is_now=False)

    def sent(self, rows: int) -> None:
        """See `Progress`."""
        with self._lock:
            self._stored.done(rows)

    def compared(self, rows: int) -> None:
        """See `Progress`."""
        with self._lock:
            self._compared = self._compared or _Step(self._shown, "compared", _rows(self._journal))
            self._compared.done(rows)


def _rows(journal: Journal) -> int:
    return sum(of.rows for of in journal.files)


@contextmanager
def shown_progress(journal: Journal, count: Callable[[], int | None]) -> Iterator[Any]:
    """A `Progress` that shows; `count` says how many rows the files have, if that is known."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console  # noqa: PLC0415  # a moment of every start
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415  # as above

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f}{task.fields[of]} rows {task.description}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield _Shown(shown, journal, count())
