"""`streamgauge measures list|retype|unit`."""

from __future__ import annotations

from typing import Any

import click

from pipeline.operations.cli.asking import client, given, list_options, server_options
from pipeline.operations.cli.output import Listing, print_text, show

_MEASURE = ("table", "measure", "type", "unit", "since", "earlier")


@click.group()
def measures() -> None:
    """What each table measures, in which type and unit; give a measure another type, or say what its unit was."""


@measures.command("list", short_help="Types and units, now and of older rows.")
@click.argument("table", required=False)
@list_options
def list_measures(context: click.Context, table: str | None, form: str) -> None:
    """The measures of TABLE (database.table), or of all; `since` is when type or unit were changed."""
    with client(context) as server:
        answer = server.get("v1", "measures", parameters=given(table=table))
    rows = (tuple(_cell(entry, name) for name in _MEASURE) for entry in answer["measures"])
    show(Listing(_MEASURE, rows, answer, "measures"), form)


@measures.command(short_help="Give a measure another type.")
@click.argument("table")
@click.argument("measure")
@click.argument("type_", metavar="TYPE")
@server_options
def retype(context: click.Context, table: str, measure: str, type_: str) -> None:
    """Make MEASURE of TABLE a double, bigint, boolean or varchar, from now on and when older rows are read.

    Stored rows are not rewritten. Older values that cannot have the new type are read as MEASURE_text (or
    MEASURE_double, …), and retyping back gives what was there.
    """
    with client(context) as server:
        body = {"table": table, "measure": measure, "type": type_}
        answer = server.post("v1", "measures", "retype", body=body).json()
    earlier = ", ".join(answer["earlier"]["types"])
    print_text(f"{measure} of {table} is {answer['type']}" + (f"; older rows have it as {earlier}" if earlier else ""))


@measures.command(short_help="Correct the unit of older values.")
@click.argument("table")
@click.argument("measure")
@click.argument("name", metavar="UNIT")
@server_options
def unit(context: click.Context, table: str, measure: str, name: str) -> None:
    """Say that the older values of MEASURE were in UNIT, and not in the one that was configured then."""
    with client(context) as server:
        body = {"table": table, "measure": measure, "unit": name}
        answer = server.post("v1", "measures", "unit", body=body).json()
    print_text(f"older values of {measure} of {table} were in {name}; they are read in {answer['unit']}")


def _cell(entry: dict[str, Any], name: str) -> object:
    if name != "earlier":
        return entry[name]
    return " ".join(entry[name]["types"] + entry[name]["units"]) or None
