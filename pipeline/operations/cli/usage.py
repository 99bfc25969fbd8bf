"""`streamgauge usage`."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, given, list_options
from pipeline.operations.cli.output import Listing, note, show

_GROUPS = ("account", "database", "table", "day")
_NUMBERS = (
    *("records", "written_bytes", "memory_gib_hours", "magnetic_gib_hours"),
    *("queries", "scanned_bytes", "metered_bytes"),
)
_STORED = ("account", "table", "memory_bytes", "magnetic_bytes")


@click.command()
@click.option("--from", "start", metavar="DAY", help="The first day (UTC), as in 2026-11-01. Default: of this month.")
@click.option("--to", metavar="DAY", help="The day after the last one. Default: today is the last.")
@click.option(
    "--by",
    metavar="NAMES",
    default="account,database,table",
    show_default=True,
    help=f"One line for each of these: some of {','.join(_GROUPS)}.",
)
@click.option("--account", metavar="ACCOUNT", help="Of another account than that of the token.")
@click.option("--all", "of_all", is_flag=True, help="Of all accounts.")
@click.option("--stored", is_flag=True, help="The bytes of each table now, by tier.")
@list_options
def usage(
    context: click.Context,
    start: str | None,
    to: str | None,
    by: str,
    account: str | None,
    of_all: bool,
    stored: bool,
    form: str,
) -> None:
    """What was written, stored and scanned, by account, table and day; and its cost, if the server has prices.

    A bill of November: streamgauge usage --all --from 2026-11-01 --to 2026-12-01 --by account
    """
    if of_all and account is not None:
        raise click.UsageError("--all and --account cannot be given together")
    parameters = given(from_=start, to=to, by=by, account="*" if of_all else account)
    with client(context) as server:
        answer = server.get("v1", "usage", parameters=parameters)
    if stored:
        rows = [tuple(table[name] for name in _STORED) for table in answer["stored"]]
        show(Listing(_STORED, rows, {"stored": answer["stored"]}, "tables"), form)
        return
    groups = [group for group in _GROUPS if group in by.split(",")]
    columns = [*groups, *_NUMBERS, *(() if answer["currency"] is None else ("cost",))]
    rows = [tuple(line[name] for name in columns) for line in answer["usage"]]
    show(Listing(columns, rows, answer, "usage"), form)
    if form == "table" and answer["currency"] is not None:
        note(f"{answer['from']} to {answer['to']}: {answer['total']['cost']} {answer['currency']}")
