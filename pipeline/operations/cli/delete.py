"""`streamgauge delete`."""

from __future__ import annotations

from typing import Any

import click

from pipeline.base.errors import ServerRefused
from pipeline.operations.cli.asking import client, server_options, waiting
from pipeline.operations.cli.output import note, print_text
from pipeline.operations.client import Client


@click.command(short_help="Delete rows of a table.")
@click.argument("sql", metavar='\'DELETE FROM "database"."table" WHERE …\'')
@click.option("--yes", is_flag=True, help="Delete the rows. Without it they are only counted.")
@click.option("--purge", is_flag=True, help="Also from files that only earlier versions of the table have (erasure).")
@server_options
def delete(context: click.Context, sql: str, yes: bool, purge: bool) -> None:
    """Count the rows that a DELETE chooses by time, dimensions and measure_name; with --yes, delete them.

    Waits until no query has them any more. Rows that come later are stored, whatever their times are. Example:

    streamgauge delete "DELETE FROM farm.climate WHERE sensor = 's-17'" --yes --purge
    """
    with client(context) as server:
        answer = server.post("v1", "deletes", body={"sql": sql, "confirm": yes, "purge": purge}).json()
        if answer["state"] == "counted":
            print_text(f"{_rows(answer)} of {answer['table']}")
            note("nothing is deleted; --yes deletes them")
            return
        answer = _carried_out(server, answer)
    if answer["state"] == "failed":
        raise ServerRefused(f"no row of {answer['table']} is deleted: {answer['detail']}")
    purged = ", from files of earlier versions, too" if purge else ""
    print_text(f"{_rows(answer)} of {answer['table']} deleted{purged}")


def _rows(answer: dict[str, Any]) -> str:
    """How many; their number is not known any more after a kill of the worker."""
    rows = answer["rows"]
    return "rows" if rows is None else f"{rows} row{'s' if rows != 1 else ''}"


def _carried_out(server: Client, answer: dict[str, Any]) -> dict[str, Any]:
    with waiting("the rows are in the log as deleted; files are written without them"):
        while answer["state"] == "running":
            answer = server.get("v1", "deletes", answer["id"])
    return answer
