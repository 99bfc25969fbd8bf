"""The output of a simulation on stderr: one live line on a terminal, else a line every ten seconds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Protocol

import rich.console
import rich.live
import rich.text

from simulators.connection import Counts
from simulators.run import Progress
from store.values.times import NS_PER_MS, rfc3339

LIVE_S, PLAIN_S = 0.25, 10.0


class _Show(Protocol):
    def __call__(self, line: str) -> None: ...


class Console:
    """Shows progress, at a limited rate."""

    def __init__(self, show: _Show, every_s: float) -> None:
        self._show, self._every_s = show, every_s
        self._shown_s = time.monotonic()
        self._shown_sent = 0

    def show_progress(self, counts: Counts, progress: Progress) -> None:
        """Show the progress of the run; called after every batch."""
        now_s = time.monotonic()
        passed_s = now_s - self._shown_s
        if passed_s < self._every_s:
            return
        rate = (counts.sent - self._shown_sent) / passed_s
        self._shown_s, self._shown_sent = now_s, counts.sent
        line = (
            f"{rfc3339(progress.event_ms * NS_PER_MS, 3)}  {counts.sent:,} sent  {counts.acknowledged:,} acknowledged"
        )
        line += f"  {rate:,.0f}/s"
        if counts.offered > counts.sent:
            line += f"  {counts.offered - counts.sent:,} waiting"
        if counts.reconnects:
            line += f"  {counts.reconnects:,} reconnects"
        if progress.behind_s > 1:
            line += f"  {progress.behind_s:.1f} s behind"
        self._show(line)


def show_summary(result: Mapping[str, object]) -> None:
    """Print the results of the messages at the end, when the console is closed."""
    text = f"{result['sent']:,} messages sent in {result['elapsed_s']} s ({result['messages_per_s']:,}/s)"
    if result["acknowledged"] is not None:
        text += f", {result['acknowledged']:,} acknowledged, {result['unacknowledged']:,} not"
    text += "".join(
        f", {result[name]:,} {name.replace('_', ' ')}" for name in ("refused", "never_sent", "resent") if result[name]
    )
    text += f"; {result['faults']:,} faults injected; {result['cpu_s']} s of CPU"
    print(text, file=sys.stderr)  # noqa: T201  # output of a command


@contextlib.contextmanager
def open_console() -> Iterator[Console]:
    """The console for this standard error, terminal or not. NO_COLOR is honoured by rich."""
    if not sys.stderr.isatty():
        yield Console(lambda line: print(line, file=sys.stderr, flush=True), PLAIN_S)  # noqa: T201  # as above
        return
    with rich.live.Live(console=rich.console.Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield Console(
            lambda line: live.update(rich.text.Text(line, overflow="ellipsis", no_wrap=True), refresh=True), LIVE_S
        )
