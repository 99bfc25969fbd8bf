"""`streamgauge averages`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import click

from pipeline.operations.cli import standard_output
from pipeline.operations.cli.asking import client, given, list_options, waiting
from pipeline.operations.cli.block_chart import lines_of
from pipeline.operations.cli.cells import visible
from pipeline.operations.cli.output import Listing, show
from store.values.times import parse_rfc3339

_COLUMNS = ("zone", "measure", "unit", "time", "average", "min", "max", "count")


@click.command()
@click.argument("zones", nargs=-1, required=True, metavar="ZONE…")
@click.option("--measure", "measures", multiple=True, required=True, help="What was measured; may be repeated.")
@click.option("--from", "start", metavar="TIME", default="1h", show_default=True, help="RFC 3339, or how long ago.")
@click.option("--to", "end", metavar="TIME", help="RFC 3339, or how long ago. [default: now]")
@click.option(
    "--bin", "width", metavar="DURATION", help="One average per so much time, as in 5m. [default: one over all]"
)
@click.option(
    "--tz",
    metavar="ZONE",
    help="The time zone in which days and weeks begin at midnight, as Europe/Berlin. [default: UTC]",
)
@click.option("--table", metavar="DATABASE.TABLE", help="Where several tables have the zone.")
@click.option("--plot", is_flag=True, help="Draw the averages instead of printing them; needs --bin.")
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
    plot: bool,
    form: str,
) -> None:
    """Averages of zones over time. `streamgauge zones` lists the zones."""
    if plot and form != "table":
        raise click.UsageError(f"--plot draws the averages instead of printing them: leave out --format {form}")
    if plot and width is None:
        raise click.UsageError("--plot needs --bin, as in --bin 5m: without it there is one average")
    parameters = [("zone", zone) for zone in zones] + [("measure", measure) for measure in measures]
    parameters += given(from_=start, to=end, bin=width, tz=tz, table=table)
    with client(context) as server, waiting("averaging"):
        answer = server.get("v1", "averages", parameters=parameters)
    if plot:
        standard_output.write_lines(line for found in answer["results"] for line in _drawn(found))
        return
    rows = (
        (found["zone"], found["measure"], found["unit"], *(row[name] for name in _COLUMNS[3:]))
        for found in answer["results"]
        for row in found["averages"]
    )
    show(Listing(_COLUMNS, rows, answer, "averages"), form)


def _drawn(found: dict[str, Any]) -> Iterator[str]:
    """The averages of one zone and measure: what they are, a chart, and the times of its first and last column."""
    rows = found["averages"]
    head = visible(f"{found['zone']} {found['measure']}")
    if not rows:
        yield f"{head}: no averages"
        return
    levels = [row["average"] for row in rows]
    unit = f" {found['unit']}" if found["unit"] else ""
    yield f"{head}: {min(levels):.6g} to {max(levels):.6g}{visible(unit)}"
    times = [parse_rfc3339(row["time"]) for row in rows]
    yield from lines_of(times, levels, shutil.get_terminal_size().columns)
    yield f"{rows[0]['time']} to {rows[-1]['time']}"
