"""`streamgauge gateway`."""

from __future__ import annotations

import logging
import re

import click

from pipeline.base.layout import prepare
from pipeline.base.ports import taken_ports_explained
from pipeline.config.load import Loaded
from pipeline.operations.cli.options import begin_logging, settings_options
from pipeline.operations.cli.shared_metrics import share_metrics


def _check_name(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """The name becomes a part of file names, in which `_` and `.` are separators."""
    if name is not None and not re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", name):
        raise click.BadParameter(f'"{name}" is not a name of 1-63 of a-z 0-9 -')
    return name


@click.command()
@click.option("--name", callback=_check_name, help="One of several: the label `gateway` of its metrics.")
@settings_options
def gateway(loaded: Loaded, name: str | None) -> None:
    """Run one gateway: receive messages over MQTT, and acknowledge them when they are in the log.

    Several may share one port. `streamgauge up` starts this, as often as listener.gateways says, and a worker.
    """
    prepare(loaded.config.layout)
    share_metrics(loaded.config.layout, name)
    from pipeline.gateway.run import run  # noqa: PLC0415  # after share_metrics

    begin_logging(name or "gateway")
    for warning in loaded.config.warnings:
        logging.getLogger(__name__).warning(warning)
    with taken_ports_explained(loaded.config.listener.address, "listener.address"):
        run(loaded.config)
