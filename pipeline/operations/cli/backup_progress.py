"""How far a backup or a restore is, on standard error: a bar on a terminal, else a line per step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from store.backup.copying import Progress


class Lines:
    """A line per step."""

    def begin(self, what: str, total_bytes: int | None = None) -> None:
        """See `Progress`."""
        size = "" if total_bytes is None else f" {total_bytes / 1e6:,.1f} MB"
        click.echo(f"{what}{size}", err=True)

    def done(self, size_bytes: int) -> None:
        """See `Progress`."""

    def warn(self, text: str) -> None:
        """See `Progress`."""
        click.echo(f"Warning: {text}", err=True)


class Bar(Lines):
    """A bar with bytes, their rate and, if the size of a step is known, the time that is left."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown
        self._task: Any = None

    def begin(self, what: str, total_bytes: int | None = None) -> None:
        """See `Progress`."""
        if self._task is not None:
            self._shown.remove_task(self._task)
        self._task = self._shown.add_task(what, total=total_bytes)

    def done(self, size_bytes: int) -> None:
        """See `Progress`."""
        self._shown.advance(self._task, size_bytes)

    def warn(self, text: str) -> None:
        """See `Progress`."""
        self._shown.console.print(f"Warning: {text}", markup=False, soft_wrap=True)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """What tells a person how far it is."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console  # noqa: PLC0415  # a moment of every start
    from rich.progress import (  # noqa: PLC0415  # as above
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        yield Bar(bars)
