"""`streamgauge worker`."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from functools import partial

import click

from pipeline.base.layout import prepare
from pipeline.base.ports import taken_ports_explained
from pipeline.base.process import keep_existing_objects
from pipeline.config.load import Loaded
from pipeline.operations.cli.options import begin_logging, settings_options
from pipeline.operations.cli.shared_metrics import share_metrics


@click.command()
@settings_options
def worker(loaded: Loaded) -> None:
    """Run one worker: process the log, check rules, post alerts, serve HTTP.

    `streamgauge up` starts this and a gateway.
    """
    prepare(loaded.config.layout)
    share_metrics(loaded.config.layout)
    # The garbage collector would visit all imported objects again and again: 0.4 of 1.1 s now, 60 ms at each full pass
    # later.
    gc.disable()
    from pipeline.worker.worker import run  # noqa: PLC0415  # after share_metrics

    keep_existing_objects()
    gc.enable()
    begin_logging("worker")
    try:
        with taken_ports_explained(loaded.config.http.address, "http.address"):
            run(loaded.config, loaded.again, loaded.path, partial(_examine, loaded))
    finally:  # after a failure; otherwise DuckDB's bindings warn about uncollected objects
        gc.unfreeze()


def _examine(loaded: Loaded) -> list[Mapping[str, str]]:
    from pipeline.operations.doctor.running import findings_of  # noqa: PLC0415  # slow to import, and rarely asked for

    return findings_of(loaded.config, loaded.again)
