"""`streamgauge tables`."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, list_options
from pipeline.operations.cli.output import Listing, show

_TABLE = ("table", "series", "last_time")


@click.command()
@list_options
def tables(context: click.Context, form: str) -> None:
    """The tables, with their numbers of series and newest times."""
    with client(context) as server:
        answer = server.get("v1", "tables")
    show(Listing(_TABLE, [tuple(table[name] for name in _TABLE) for table in answer["tables"]], answer, "tables"), form)
