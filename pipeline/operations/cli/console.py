"""`streamgauge console`."""

from __future__ import annotations

import os
import socket

import click

from pipeline.base.errors import ConfigError
from pipeline.base.ports import taken_ports_explained
from pipeline.base.quantities import Address
from pipeline.config import Config
from pipeline.config.load import Loaded
from pipeline.console.settings import ConsoleSettings
from pipeline.operations.cli.options import begin_logging, settings_options
from pipeline.operations.supervisor.supervisor import reachable


@click.command()
@settings_options
def console(loaded: Loaded) -> None:
    """Run the console: pages for browsers, made from the answers of the HTTP API.

    `streamgauge up` starts this, unless console.address is null.
    """
    address = loaded.config.console.address
    if address is None:
        raise ConfigError("console.address is null, so there is no console; give it an address, as 127.0.0.1:8081")
    from pipeline.console.serve import run  # noqa: PLC0415  # only where it runs

    begin_logging("console")
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # it has no metrics of its own
    with taken_ports_explained(address, "console.address"):
        run(settings_of(loaded.config, address))


def settings_of(config: Config, address: Address) -> ConsoleSettings:
    """What the console needs of a configuration. With `http.tls` it serves HTTPS, with the same certificate."""
    tls, hosts = config.http_tls, config.answered_hosts(socket.gethostname())
    if tls is None:
        return ConsoleSettings(address, config.console.api or f"http://{reachable(config.http.address)}", hosts)
    own = f"https://{reachable(config.http.address)}"
    trusted = tls.certificate if config.console.api is None else None
    return ConsoleSettings(address, config.console.api or own, hosts, tls.certificate, tls.key, trusted)
