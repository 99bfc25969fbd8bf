"""`streamgauge query`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from pipeline.operations.cli import standard_output
from pipeline.operations.cli.asking import client, format_option, server_options, waiting
from pipeline.operations.cli.cells import visible
from pipeline.operations.cli.output import print_json, print_rows
from pipeline.operations.cli.plot_option import plot_option, write_plot
from pipeline.operations.client import Client

BINARY = ("arrow", "parquet")
TRUNCATED = "streamgauge-truncated"  # the header of a truncated response: its number of rows


@click.command()
@click.argument("sql", metavar='["SELECT …"]', required=False)
@click.option(
    "--file", "-f", metavar="FILE", type=click.Path(path_type=Path), help="Read the query from a file; - is stdin."
)
@format_option("table", "csv", "json", *BINARY)
@plot_option("Draw the answer instead of printing it; .svg and .pdf are possible, too.")
@server_options
def query(context: click.Context, sql: str | None, file: Path | None, form: str, plot: Path | None) -> None:
    """Ask in SQL, in Timestream's dialect. `-` reads the query from standard input.

    A table that is wider than the terminal is shown as a block a row; into a pipe it is a line a row, with tabs between
    the cells. --format arrow writes an Arrow IPC stream, --format parquet a Parquet file.

    --plot draws each column of numbers over the first column of times; rows with the same texts are a line.
    """
    if plot is not None and form != "table":
        raise click.UsageError(f"--plot draws the answer instead of printing it: leave out --format {form}")
    text = _text(sql, file)
    if form in BINARY and standard_output.is_terminal():
        raise click.UsageError(f"{form.capitalize()} is binary: send it into a file or a pipe")
    with client(context) as server:
        if plot is not None:
            _draw(server, text, plot)
        elif form == "table" or (form not in BINARY and standard_output.is_terminal()):
            _for_a_person(server, text, form)
        else:
            _as_it_comes(server, text, form)


def _text(sql: str | None, file: Path | None) -> str:
    if (sql is None) == (file is None):
        raise click.UsageError('name either a query, as "SELECT …", or a --file of one')
    source = "-" if file is not None and str(file) == "-" else sql
    if source == "-":
        if sys.stdin is None:
            raise click.UsageError("standard input is closed: there is no query to read")
        return sys.stdin.read()
    if file is None:
        assert sql is not None
        return sql
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise click.UsageError(f"{file} cannot be read: {reason}") from error


def _for_a_person(server: Client, text: str, form: str) -> None:
    with waiting("asking"):
        response = server.post("v1", "query", body={"sql": text, "format": "csv" if form == "csv" else "json"})
    if form == "csv":
        standard_output.write_lines(visible(line) for line in response.text.removesuffix("\n").split("\n"))
        _tell_if_cut(response.headers)
        return
    answer = response.json()
    if form == "json":
        print_json(answer)
    else:
        print_rows([column["name"] for column in answer["columns"]], answer["rows"])
    _tell_if_cut(response.headers)


def _as_it_comes(server: Client, text: str, form: str) -> None:
    """Pass on the server's bytes."""
    with waiting("asking"):
        response = server.stream("v1", "query", body={"sql": text, "format": form})
    standard_output.write_bytes(server.chunks(response))
    _tell_if_cut(response.headers)


def _draw(server: Client, text: str, plot: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415  # slow to import

    from pipeline.operations.answer_charts import charts_of  # noqa: PLC0415  # as above

    with waiting("asking"):
        response = server.post("v1", "query", body={"sql": text, "format": "arrow"})
    write_plot(plot, charts_of(pa.ipc.open_stream(response.content).read_all()))
    _tell_if_cut(response.headers)


def _tell_if_cut(headers: Mapping[str, str]) -> None:
    count = headers.get(TRUNCATED)
    if count is not None:
        click.echo(f"Only the first {count} rows: give a LIMIT, or bounds of time.", err=True)
