"""`streamgauge rules backtest`: rules over the history of a server, or over a file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.operations.cli.asking import client, list_options, waiting
from pipeline.operations.cli.moment import Moment
from pipeline.operations.cli.output import Listing, print_text, show
from pipeline.operations.cli.plot_option import plot_option, write_plot
from store.values.times import rfc3339

if TYPE_CHECKING:
    from pipeline.operations.history import FileHistory, ServerHistory
    from rules import RuleSet
    from rules.replaying.backtest import Backtest, FoundAlert

_COLUMNS = ("fired", "resolved", "rule", "severity", "zone", "dimensions", "value")
_MOST_PICTURES = 20
_MOST_SENSORS = 20


@click.command(short_help="Try rules on history.")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--from", "from_ns", type=Moment(), help="From this time on, or so long ago (7d).  [default: 1d]")
@click.option("--to", "to_ns", type=Moment(), help="Before this time.  [default: now]")
@click.option("--rule", "names", metavar="GROUP/ALERT", multiple=True, help="Only this rule; may be repeated.")
@click.option("--data", type=click.Path(path_type=Path), help="A CSV or Parquet file instead of the server's tables.")
@click.option("--time-column", default="time", show_default=True, help="Of --data; integers are milliseconds.")
@click.option(
    "--dimension", "dimensions", metavar="COLUMN", multiple=True, help="A dimension of --data; may be repeated."
)
@click.option("--zone-column", metavar="COLUMN", help="The zone of --data.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with pictures of the alerts.")
@plot_option("Draw the alerts as a picture; .svg and .pdf are possible, too.")
@list_options
def backtest(
    context: click.Context,
    files: tuple[Path, ...],
    from_ns: int | None,
    to_ns: int | None,
    names: tuple[str, ...],
    data: Path | None,
    time_column: str,
    dimensions: tuple[str, ...],
    zone_column: str | None,
    html: Path | None,
    plot: Path | None,
    form: str,
) -> None:
    """Say which alerts these rules would have raised over history: each alert, and how many a day and a sensor.

    It is the engine of the stream, over rows in the order of their times. With --data the file has the table of the
    rules; its columns that are neither named as --dimension nor otherwise are measures.
    """
    from pipeline.operations.history import FileHistory, NoHistory, ServerHistory  # noqa: PLC0415  # pyarrow
    from rules import RuleSet, load_rules  # noqa: PLC0415  # as above
    from rules.files.composing import with_parts  # noqa: PLC0415  # as above

    rules = load_rules(files).rules
    unknown = set(names) - {rule.name for rule in rules}
    if unknown:
        raise click.UsageError(f"no rule is named {', '.join(sorted(unknown))}")
    chosen = frozenset(names) or frozenset(rule.name for rule in rules)
    rules = with_parts(rules, chosen)
    found: list[FoundAlert] = []
    pictures: list[Any] = []
    with client(context) as server:
        for table in sorted({rule.table for rule in rules}):
            of_table = RuleSet(tuple(rule for rule in rules if rule.table == table))
            if data is not None:
                history: FileHistory | ServerHistory = FileHistory(
                    data, time_column, dimensions, zone_column, from_ns, to_ns
                )
            else:
                now_ns = time.time_ns()
                history = ServerHistory(server, table, from_ns or now_ns - 86_400 * 10**9, to_ns or now_ns)
            try:
                run = _run(of_table, table, history)
                if html is not None or plot is not None:
                    pictures += _pictures(run, of_table, history)
            except NoHistory as error:
                raise click.UsageError(str(error)) from error
            found += (one for one in run.alerts.values() if one.fired.rule in chosen)
    if html is not None:
        _write_page(html, pictures)
    if plot is not None:
        _write_plot(plot, pictures)
    _show(found, form)


def _run(rules: RuleSet, table: str, history: FileHistory | ServerHistory) -> Backtest:
    from rules.replaying.backtest import Backtest  # noqa: PLC0415  # as above
    from store.record import DEFAULT_ACCOUNT, TableId  # noqa: PLC0415  # as above

    database, _, name = table.partition(".")
    run = Backtest(rules, TableId(DEFAULT_ACCOUNT, database, name), history.layout())
    with waiting(f"judging {table}"):
        for piece in history.pieces():
            run.feed(piece)
        run.end(history.to_ns)
    return run


def _show(found: list[FoundAlert], form: str) -> None:
    from rules.replaying.summary import by_day, by_sensor, dimensions_text, in_order  # noqa: PLC0415  # as above

    rows = [
        (
            rfc3339(one.fired.time_ns),
            None if one.resolved_ns is None else rfc3339(one.resolved_ns),
            one.fired.rule,
            one.fired.labels.get("severity"),
            one.fired.zone,
            dimensions_text(one),
            one.fired.value,
        )
        for one in in_order(found)
    ]
    document = {"alerts": [dict(zip(_COLUMNS, row, strict=True)) for row in rows]}
    show(Listing(_COLUMNS, rows, document, "alerts"), form)
    if form == "table" and rows:
        print_text("")
        show(Listing(("day", "rule", "alerts"), by_day(found), None), form)
        print_text("")
        show(Listing(("sensor", "rule", "alerts"), by_sensor(found, _MOST_SENSORS), None), form)


def _pictures(run: Backtest, rules: RuleSet, history: FileHistory | ServerHistory) -> list[Any]:
    """Of the first alerts, each series once; the history is read again for their values."""
    import numpy as np  # noqa: PLC0415  # as above

    from pipeline.operations.backtest_page import Picture  # noqa: PLC0415  # as above
    from rules.replaying.backtest import values_of  # noqa: PLC0415  # as above

    by_subject: dict[tuple[str, str], list[FoundAlert]] = {}
    for one in run.alerts.values():
        by_subject.setdefault((one.fired.rule, str(one.fired.dimensions)), []).append(one)
    chosen = list(by_subject.values())[:_MOST_PICTURES]
    parts: list[list[Any]] = [[] for _ in chosen]
    layout = history.layout()
    for piece in history.pieces():
        for place, (first, *_) in enumerate(chosen):
            parts[place].append(values_of(piece, layout, dict(first.fired.dimensions), first.fired.measure))
    found = []
    for part, alerts in zip(parts, chosen, strict=True):
        fired = alerts[0].fired
        time_ns = np.concatenate([times for times, _ in part])
        order = np.argsort(time_ns, kind="stable")
        bounds = sorted({bound for one in alerts for bound in one.fired.bounds.values()})
        is_measured = next(rule for rule in rules.rules if rule.name == fired.rule).condition.is_measured
        spans = [(one.fired.since_ns, one.resolved_ns or int(time_ns.max(initial=0))) for one in alerts]
        title = f"{fired.rule}: {fired.measure} of {' '.join(fired.dimensions.values()) or fired.zone or 'all'}"
        values = np.concatenate([values for _, values in part])
        found.append(Picture(title, time_ns[order], values[order], bounds if is_measured else (), spans))
    return found


def _write_page(path: Path, pictures: list[Any]) -> None:
    from pipeline.operations.backtest_page import page  # noqa: PLC0415  # as above

    try:
        path.write_text(page("Backtest of rules", pictures), encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from error
    if sys.stderr is not None:
        click.echo(f"the page is {path}", err=True)


def _write_plot(path: Path, pictures: list[Any]) -> None:
    from pipeline.operations.plots import Chart, Line  # noqa: PLC0415  # as above

    charts = [Chart(one.title, [Line(one.title, one.time_ns, one.value)], one.bounds, one.spans_ns) for one in pictures]
    write_plot(path, charts or [Chart("No alert fired.", ())])
