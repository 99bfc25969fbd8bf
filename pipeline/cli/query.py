"""`streamgauge query`."""

from __future__ import annotations

import sys

import click

from pipeline.cli.asking import client, endpoint_option, format_option
from pipeline.cli.output import print_rows


@click.command()
@click.argument("sql", metavar='"SELECT …"')
@format_option("table", "csv", "json", "arrow")
@endpoint_option
@click.pass_context
def query(context: click.Context, sql: str, form: str) -> None:
    """Ask in SQL, in Timestream's dialect. `-` reads the query from standard input.

    --format arrow writes an Arrow IPC stream to standard output.
    """
    text = click.get_text_stream("stdin").read() if sql == "-" else sql
    with client(context) as server:
        answer = server.post("v1", "query", body={"sql": text, "format": "json" if form == "table" else form})
    if form == "table":
        result = answer.json()
        print_rows([column["name"] for column in result["columns"]], result["rows"])
    elif form == "arrow":
        if sys.stdout.isatty():
            raise click.UsageError("Arrow is binary: send it into a file or a pipe")
        click.get_binary_stream("stdout").write(answer.content)
    else:
        click.echo(answer.text.rstrip("\n"))
