"""`streamgauge import unload|csv|parquet|jsonl|influx`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.operations.cli.asking import client, format_option, server_options
from pipeline.operations.cli.import_progress import shown_progress
from pipeline.operations.cli.output import Listing, show
from pipeline.operations.client import DEFAULT_ENDPOINT

_FILES_SHOWN = 30


@click.group("import")
def importing() -> None:
    """Import history into a running server: what an UNLOAD of Timestream wrote, CSV, Parquet, JSON lines, InfluxDB.

    A row that is there already stays as it is, so an import may be repeated; one that was interrupted goes on where it
    ended, when the same command is given again. At the end all rows are read back and compared with the files.
    """


def _listed(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


_OPTIONS = (
    click.option("--table", required=True, metavar="DATABASE.TABLE", help="Where the rows go."),
    click.option("--create", is_flag=True, help="Create the table if there is none."),
    click.option(
        "--mapping", metavar="FILE", type=click.Path(path_type=Path), help="YAML that says what each column becomes."
    ),
    click.option("--time", metavar="COLUMN", help="The column of the time. [default: time]"),
    click.option("--time-unit", type=click.Choice(["s", "ms", "us", "ns"]), help="Of times that are whole numbers."),
    click.option("--measure-name", metavar="NAME", help="The measure name of all rows."),
    click.option("--dimensions", metavar="A,B", callback=_listed, help="The columns that are dimensions."),
    click.option("--measures", metavar="A,B", callback=_listed, help="The columns that are measures."),
    click.option("--leave-out", metavar="A,B", callback=_listed, help="Columns that are not stored."),
    click.option(
        "--record-version", metavar="N", type=click.IntRange(1), help="The version of all rows: a higher one replaces."
    ),
    click.option("--dry-run", is_flag=True, help="Only say what each column becomes."),
    click.option("--no-compare", is_flag=True, help="Do not read the rows back."),
    click.option(
        "--journal", metavar="DIR", type=click.Path(path_type=Path), help="For notes of what is stored."
    ),
    click.option(
        "--patience", metavar="SECONDS", type=click.FloatRange(0), default=300.0, show_default=True,
        help="How long to wait for a server that does not answer.",
    ),
    format_option("table", "csv", "json"),
)  # fmt: skip


def _import_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What all kinds of files have."""
    decorated = server_options(command)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_FILES = click.argument("files", nargs=-1, required=True, metavar="FILE|DIR|s3://…")
_HEADER = click.option("--header", is_flag=True, help="CSV files have a header.")
_DELIMITER = click.option("--delimiter", metavar="C", default=",", show_default=True, help="Between cells of CSV.")


@importing.command(short_help="The folder that an UNLOAD wrote.")
@click.argument("folder", metavar="DIR|s3://…")
@_HEADER
@_DELIMITER
@click.option("--escaped-by", metavar="C", default="\\", show_default=True, help="As in the UNLOAD; of CSV.")
@_import_options
def unload(context: click.Context, folder: str, header: bool, delimiter: str, escaped_by: str, **given: Any) -> int:
    """Import the files that an UNLOAD of Timestream wrote: Parquet or CSV, with its manifest and metadata.

    The columns become what they are in `SELECT *`: dimensions before `measure_name`, measures after it.
    """
    from pipeline.operations.importing.text_files import CsvForm  # noqa: PLC0415  # pyarrow: a moment of every start
    from pipeline.operations.importing.unload_folder import unload_source  # noqa: PLC0415  # as above

    form = CsvForm(delimiter, escaped_by)
    return _run(context, [folder], lambda: unload_source(folder, form, has_header=header), given)


@importing.command("csv", short_help="CSV with a header.")
@_FILES
@_DELIMITER
@_import_options
def csv_(context: click.Context, files: Sequence[str], delimiter: str, **given: Any) -> int:
    """Import CSV files with a header, plain or gzip. An empty cell is no value; a number is a double, unless the table
    or the mapping says something else.
    """

    def source() -> Any:
        from pipeline.operations.importing.source_files import Source, named_files  # noqa: PLC0415  # as above
        from pipeline.operations.importing.text_files import CsvForm, CsvReading  # noqa: PLC0415  # as above

        return Source(named_files(files), lambda file: CsvReading(file, CsvForm(delimiter)))

    return _run(context, files, source, given)


@importing.command(short_help="Parquet files.")
@_FILES
@_import_options
def parquet(context: click.Context, files: Sequence[str], **given: Any) -> int:
    """Import Parquet files."""

    def source() -> Any:
        from pipeline.operations.importing.parquet_files import ParquetReading  # noqa: PLC0415  # as above
        from pipeline.operations.importing.source_files import Source, named_files  # noqa: PLC0415  # as above

        return Source(named_files(files), ParquetReading)

    return _run(context, files, source, given)


@importing.command(short_help="JSON, an object a line.")
@_FILES
@_import_options
def jsonl(context: click.Context, files: Sequence[str], **given: Any) -> int:
    """Import files of JSON lines, plain or gzip."""

    def source() -> Any:
        from pipeline.operations.importing.source_files import Source, named_files  # noqa: PLC0415  # as above
        from pipeline.operations.importing.text_files import JsonReading  # noqa: PLC0415  # as above

        return Source(named_files(files), JsonReading)

    return _run(context, files, source, given)


@importing.command(short_help="InfluxDB's line protocol.")
@_FILES
@click.option(
    "--precision", type=click.Choice(["s", "ms", "us", "ns"]), default="ns", show_default=True, help="Of times."
)
@_import_options
def influx(context: click.Context, files: Sequence[str], precision: str, **given: Any) -> int:
    """Import files in InfluxDB's line protocol, plain or gzip: tags become dimensions, fields measures, and the
    measurement is the measure name.
    """

    def source() -> Any:
        from pipeline.operations.importing.influx_files import InfluxReading  # noqa: PLC0415  # as above
        from pipeline.operations.importing.source_files import Source, named_files  # noqa: PLC0415  # as above

        return Source(named_files(files), lambda file: InfluxReading(file, precision))

    return _run(context, [*files, precision], source, given)


def _run(context: click.Context, what: Sequence[str], source: Callable[[], Any], given: dict[str, Any]) -> int:
    """Import, and print what became of each file; 1 if not all rows are there."""
    from pipeline.operations.importing.journal import Journal, journal_folder  # noqa: PLC0415  # as above
    from pipeline.operations.importing.mapping import read_mapping  # noqa: PLC0415  # as above
    from pipeline.operations.importing.patience import Patience  # noqa: PLC0415  # as above
    from pipeline.operations.importing.run import Import, summary  # noqa: PLC0415  # as above

    table = given["table"]
    if not all(table.partition(".")):
        raise click.UsageError(f"--table {table}: it is DATABASE.TABLE")
    mapping = read_mapping(given["mapping"], _told(given))
    with client(context) as server:
        found = source()
        work = Import(found, mapping, server, table, given["create"], Patience(given["patience"], _tell_waiting))
        if given["dry_run"]:
            return _show_plans(work, given["form"])
        endpoint = context.obj.endpoint or DEFAULT_ENDPOINT
        identity = (endpoint, table, *map(_absolute, what), repr(mapping))
        journal = Journal(
            given["journal"] or journal_folder(*identity), [(file.path, file.size_bytes) for file in found.files]
        )
        if journal.is_continued:
            click.echo(f"Going on with an import that was interrupted ({journal.folder}).", err=True)
        with shown_progress(journal, work.count) as progress:
            work.send(journal, progress)
            compared = None if given["no_compare"] else work.compare(journal, progress)
    rows = [dict(summary(of, None if compared is None else compared[at])) for at, of in enumerate(journal.files)]
    _show(rows, given["form"])
    for of in journal.files:
        for reason, rejected in of.rejected.items():
            examples = ", ".join(map(str, rejected.examples))
            click.echo(f"{of.path}: {rejected.count} rows rejected: {reason} (rows {examples})", err=True)
    is_complete = not any(row["rejected"] or row.get("missing") for row in rows)
    if not any(row.get("missing") for row in rows):
        journal.remove()
    return 0 if is_complete else 1


def _tell_waiting(why: str) -> None:
    click.echo(f"Waiting for the server: {why}", err=True)


def _told(given: dict[str, Any]) -> dict[str, Any]:
    """The options that stand for keys of a mapping."""
    time = {"column": given["time"], "unit": given["time_unit"]}
    time = {key: value for key, value in time.items() if value is not None}
    told = {
        "time": {"column": "time", **time} if time else None,
        "measure_name": given["measure_name"],
        "dimensions": given["dimensions"],
        "measures": given["measures"],
        "version": given["record_version"],
        "leave_out": given["leave_out"],
    }
    return {key: value for key, value in told.items() if value is not None}


def _absolute(what: str) -> str:
    return what if "://" in what else str(Path(what).absolute())


def _show_plans(work: Any, form: str) -> int:
    columns = ("file", "column", "becomes", "name", "type")
    rows: list[tuple[object, ...]] = []
    for number, _, plan in work.plans():
        path = work.source.files[number].path
        named = getattr(plan.measure_name, "column", None)
        rows.append((path, plan.time, "time", "time", plan.unit))
        rows.append((path, named, "measure name", None if named else plan.measure_name, None))
        rows += [(path, column, "dimension", name, "varchar") for column, name in plan.dimensions.items()]
        rows += [(path, column, "measure", name, kind.value) for column, (name, kind) in plan.measures.items()]
        rows += [(path, column, "left out", None, None) for column in plan.left_out]
    show(Listing(columns, rows, {"columns": [dict(zip(columns, row, strict=True)) for row in rows]}, "columns"), form)
    return 0


def _show(rows: Sequence[dict[str, Any]], form: str) -> None:
    """The files that are not as they should be, or all if they are few, and their sum."""
    names = list(rows[0])
    counted = [name for name in names if name not in {"file", "hash", "stored_hash"}]
    total = {"file": f"{len(rows)} files", **{name: sum(row[name] for row in rows) for name in counted}}
    for name in ("hash", "stored_hash"):
        if name in names:
            total[name] = f"{sum(int(row[name], 16) for row in rows) % 2**64:016x}"
    chosen = [row for row in rows if row["rejected"] or row.get("missing")] if len(rows) > _FILES_SHOWN else list(rows)
    cells = [[row[name] for name in names] for row in [*chosen, *([total] if len(rows) > 1 else [])]]
    show(Listing(names, cells, {"files": list(rows), "total": total}, "files"), form)
