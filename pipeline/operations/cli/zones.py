"""`streamgauge zones`."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, given, list_options
from pipeline.operations.cli.output import Listing, show

_ZONE = ("zone", "table", "sensors", "last_time")


@click.command()
@click.option("--table", metavar="DATABASE.TABLE", help="Only of this table.")
@list_options
def zones(context: click.Context, table: str | None, form: str) -> None:
    """The zones, with their tables, numbers of sensors and newest times."""
    with client(context) as server:
        answer = server.get("v1", "zones", parameters=given(table=table))
    show(Listing(_ZONE, [tuple(zone[name] for name in _ZONE) for zone in answer["zones"]], answer, "zones"), form)
