"""`streamgauge averages`."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, given, list_options, waiting
from pipeline.operations.cli.output import Listing, show

_COLUMNS = ("zone", "measure", "unit", "time", "average", "min", "max", "count")


@click.command()
@click.argument("zones", nargs=-1, required=True, metavar="ZONE…")
@click.option("--measure", "measures", multiple=True, required=True, help="What was measured; may be given again.")
@click.option("--from", "start", default="1h", show_default=True, help="RFC 3339, or how long ago.")
@click.option("--to", "end", help="RFC 3339, or how long ago. [default: now]")
@click.option("--bin", "width", help="One average per so much time, as in 5m. [default: one over all]")
@click.option("--tz", help="Whose midnight days and weeks begin at, as in Europe/Berlin. [default: UTC]")
@click.option("--table", help="database.table, where several tables have the zone.")
@list_options
def averages(
    context: click.Context,
    zones: tuple[str, ...],
    measures: tuple[str, ...],
    start: str,
    end: str | None,
    width: str | None,
    tz: str | None,
    table: str | None,
    form: str,
) -> None:
    """Averages of zones over time. `streamgauge zones` lists the zones."""
    parameters = [("zone", zone) for zone in zones] + [("measure", measure) for measure in measures]
    parameters += given(from_=start, to=end, bin=width, tz=tz, table=table)
    with client(context) as server, waiting("averaging"):
        answer = server.get("v1", "averages", parameters=parameters)
    rows = (
        (found["zone"], found["measure"], found["unit"], *(row[name] for name in _COLUMNS[3:]))
        for found in answer["results"]
        for row in found["averages"]
    )
    show(Listing(_COLUMNS, rows, answer, "averages"), form)
