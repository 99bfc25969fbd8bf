"""`streamgauge up`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from pipeline.base.logs import VARIABLE, Form, is_json_line
from pipeline.base.quantities import Address
from pipeline.base.tls.files import load as load_certificates
from pipeline.config.load import Loaded
from pipeline.operations.cli.options import begin_logging, settings_options
from pipeline.operations.supervisor.status import WorkerStatus, ask
from pipeline.operations.supervisor.supervisor import Addresses, Plan, reachable, supervise

REFRESH_S = 2.0
OUTPUT = "output"  # the logger of other output of children, for example warnings of a library

log = logging.getLogger(__name__)


@click.command()
@settings_options
def up(loaded: Loaded) -> int:
    """Run everything on this machine: gateways and a worker, restarted when they fail. Ctrl-C ends it."""
    config = loaded.config
    for files in (config.listener_tls, config.http_tls):
        if files is not None:  # reported once, and not by every child
            load_certificates(files, time.time())
    plan = Plan(
        config.layout,
        Addresses(config.listener.address, config.http.address, config.console.address),
        gateway=partial(child_command, "gateway", loaded),
        worker=partial(child_command, "worker", loaded),
        console=None if config.console.address is None else partial(child_command, "console", loaded),
        gateways=config.listener.gateways,
        is_secure=config.http.tls is not None,
    )
    return run(plan)


def run(plan: Plan) -> int:
    """Supervise, with a status line on a terminal, and with log lines in the chosen form; returns the exit code."""
    form = begin_logging("up")
    os.environ[VARIABLE] = form  # for the children, whose standard error is a pipe
    if sys.stderr.isatty() and form is not Form.JSON:
        return StatusLine(plan.layout.metrics, is_secure=plan.is_secure).run(plan)
    return supervise(plan, log.info, warn=log.warning, pass_on=log_line if form is Form.JSON else write_line)


def log_line(name: str, pid: int, line: str) -> None:
    """Pass on a child's line of JSON unchanged; any other line becomes an event of the child."""
    if is_json_line(line):
        write_line(name, pid, line)
    elif line.strip():
        logging.getLogger(OUTPUT).warning("%s", line, extra={"of_process": name, "of_pid": pid})


def write_line(_name: str, _pid: int, line: str) -> None:
    """Pass on a child's line unchanged."""
    click.echo(line, err=True, color=True)  # keep its colours, if any


def child_command(name: str, loaded: Loaded, at: Addresses) -> Sequence[str]:
    """The command of a child. With -P, a folder `rules` or `store` in the working directory is not imported."""
    file = () if loaded.path is None else ("--config", str(loaded.path.absolute()))
    log = ("--log", loaded.config.log.whole_url) if loaded.origins.get(("log", "url")) == "--log" else ()
    addresses = ("--mqtt", str(at.mqtt), "--http", str(at.http))
    console = () if at.console is None else ("--console", str(at.console))
    options = (*file, "--data-dir", str(loaded.config.data_dir), *addresses, *console, *log)
    return (sys.executable, "-P", "-m", "pipeline.operations.cli", name, *options)


class StatusLine:
    """A status line at the bottom of the terminal; everything else scrolls above it."""

    def __init__(self, metrics: Path, *, is_secure: bool = False) -> None:
        from rich.console import Console  # noqa: PLC0415  # only where there is a terminal
        from rich.live import Live  # noqa: PLC0415  # as above
        from rich.text import Text  # noqa: PLC0415  # as above

        self._metrics = metrics
        self._is_secure = is_secure
        self._text = Text
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def run(self, plan: Plan) -> int:
        """`supervise` with this line below."""
        with self._live:
            return supervise(plan, self._say, self._watch)

    def _say(self, line: str) -> None:
        self._console.print(self._text.from_ansi(line), soft_wrap=True)  # children's lines have colours

    async def _watch(self, http: Address) -> None:
        target = reachable(http)
        before, before_s = await ask(target, self._metrics, is_secure=self._is_secure), time.monotonic()
        while True:
            await asyncio.sleep(REFRESH_S)
            now, now_s = await ask(target, self._metrics, is_secure=self._is_secure), time.monotonic()
            self._live.update(status(before, now, now_s - before_s), refresh=True)
            before, before_s = now, now_s


def status(before: WorkerStatus | None, now: WorkerStatus | None, elapsed_s: float) -> str:
    """The text of the line."""
    if now is None:
        return "… the worker does not answer"
    came = now.messages - before.messages if before is not None and now.messages >= before.messages else 0.0
    return (
        f"{came / elapsed_s:,.0f} messages/s · {now.messages:,.0f} in all · {now.connections:,.0f} connections · "
        f"{now.lag_s:.1f} s behind · {now.alerts:,.0f} alerts"
    )
