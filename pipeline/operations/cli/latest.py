"""`streamgauge latest`."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, given, list_options, waiting
from pipeline.operations.cli.output import Listing, show

_COLUMNS = ("zone", "table", "dimensions", "measure_name", "measure", "value", "unit", "time")


@click.command()
@click.argument("zones", nargs=-1, metavar="[ZONE…]")
@click.option("--measure", "measures", multiple=True, help="Only this measure; may be repeated.")
@click.option(
    "--dimension", "dimensions", multiple=True, metavar="NAME=VALUE", help="Only series with it; may be repeated."
)
@click.option("--table", metavar="DATABASE.TABLE", help="Only this table.")
@click.option(
    "--from", "start", metavar="TIME", default="1d", show_default=True, help="RFC 3339, or how long ago: none is older."
)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="The largest number of entries."
)
@list_options
def latest(
    context: click.Context,
    zones: tuple[str, ...],
    measures: tuple[str, ...],
    dimensions: tuple[str, ...],
    table: str | None,
    start: str,
    limit: int,
    form: str,
) -> None:
    """The last value of each measure of each sensor, newest first; of all zones, if none is named."""
    parameters = [("zone", zone) for zone in zones] + [("measure", measure) for measure in measures]
    parameters += [("dimension", dimension) for dimension in dimensions]
    parameters += given(table=table, from_=start, limit=str(limit))
    with client(context) as server, waiting("looking for the last values"):
        answer = server.get("v1", "latest", parameters=parameters)
    rows = [tuple(entry[name] for name in _COLUMNS) for entry in answer["latest"]]
    show(Listing(_COLUMNS, rows, answer, "values"), form)
