"""`streamgauge gateway`."""

from __future__ import annotations

import logging

import click

from pipeline.cli.options import begin_logging, settings_options
from pipeline.cli.shared_metrics import share_metrics
from pipeline.config.load import Loaded
from pipeline.layout import prepare
from pipeline.supervisor.ports import taken_ports_explained


@click.command()
@settings_options
def gateway(loaded: Loaded) -> None:
    """Run one gateway: take in what devices publish over MQTT, and acknowledge it once the log has it.

    Several may share one port. `streamgauge up` starts this and a worker.
    """
    prepare(loaded.config.layout)
    share_metrics(loaded.config.layout)
    from pipeline.gateway.run import run  # noqa: PLC0415  # after share_metrics

    begin_logging("gateway")
    for warning in loaded.config.warnings:
        logging.getLogger(__name__).warning(warning)
    with taken_ports_explained(loaded.config.listener.address, "listener.address"):
        run(loaded.config)
