"""`streamgauge detect`: the anomaly score of each row of a file."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from pipeline.operations.cli.output import print_text
from pipeline.operations.cli.plot_option import plot_option, write_plot
from store.values.times import rfc3339

if TYPE_CHECKING:
    from pipeline.operations.scoring import Scored

FILE = click.Path(path_type=Path)
SCORES = ("timestamp", "value", "anomaly_score")


@click.command(short_help="Anomaly scores of the rows of a file.")
@click.argument("file", metavar="FILE", type=FILE)
@click.option("--time-column", default="timestamp", show_default=True, help="Its integers are milliseconds.")
@click.option("--value-column", default="value", show_default=True, help="Numbers, or empty.")
@click.option(
    "--by", metavar="COLUMN", multiple=True, help="Rows that differ in it are of other series; may be repeated."
)
@click.option("--peers", metavar="COLUMN", help="Series that are equal in it, and measured together, are compared.")
@click.option(
    "--probation",
    default=0.15,
    show_default=True,
    type=click.FloatRange(0),
    help="How many first rows of a series score 0; below 1 a part of its rows.",
)
@click.option("--time-zone", default="UTC", show_default=True, help="By whose clock the course of the day is learnt.")
@click.option("--counter", is_flag=True, help="Values only grow, until they are reset: judge how fast they grow.")
@click.option("-o", "--output", type=FILE, help="A CSV file with timestamp,value,anomaly_score.  [default: print it]")
@plot_option("Draw the values, the scores and the alerts; .svg and .pdf are possible, too.")
def detect(
    file: Path,
    time_column: str,
    value_column: str,
    by: tuple[str, ...],
    peers: str | None,
    probation: float,
    time_zone: str,
    counter: bool,
    output: Path | None,
    plot: Path | None,
) -> None:
    """Write an anomaly score for each row of a CSV or Parquet FILE, in its order: timestamp,value,anomaly_score.

    The rows are taken one after the other, and a score knows nothing of later ones. It is in [0, 1); 0.5 and more is an
    alert.
    """
    from pipeline.operations.scoring import CannotBeScored, Columns, scored  # noqa: PLC0415  # numpy and pyarrow come with it

    try:
        columns = Columns(time_column, value_column, by, peers)
        found = scored(file, columns, probation=probation, time_zone=time_zone, counter=counter)
    except CannotBeScored as error:
        raise click.ClickException(str(error)) from error
    if plot is not None:
        from pipeline.operations.score_charts import charts_of  # noqa: PLC0415  # as above

        write_plot(plot, charts_of(found, value_column))
    if output is None:
        _write(sys.stdout, found)
        return
    with output.open("w", newline="") as stream:
        _write(stream, found)
    print_text(f"{output}: {len(found.score)} rows, {found.alerts} with a score of at least 0.5")


def _write(stream: TextIO, found: Scored) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(SCORES)
    writer.writerows(_rows(found))


def _rows(found: Scored) -> Iterable[tuple[str, str, str]]:
    for time_ns, value, score in zip(found.time_ns.tolist(), found.value.tolist(), found.score.tolist(), strict=True):
        yield rfc3339(time_ns), "" if math.isnan(value) else repr(value), f"{score:.6f}"
