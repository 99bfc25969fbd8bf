"""`streamgauge migrate`: what becomes of a Timestream user's files here, and whether both answer the same."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.base.errors import ConfigError, ServerRefused
from pipeline.operations.cli.asking import format_option
from pipeline.operations.cli.group import Server
from pipeline.operations.cli.output import Listing, note, print_json, print_text, show

if TYPE_CHECKING:
    from pipeline.base.sigv4 import Credentials

_FOUND = ("verdict", "file", "line", "what", "why")


@click.group()
def migrate() -> None:
    """Moving here from Amazon Timestream: check files, compare answers."""


@migrate.command(short_help="What becomes of dashboards, SQL, templates and rules here.")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--write",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write what is translated.",
)
@click.option("--table", metavar="DATABASE.TABLE", help="The table of the inputs of IoT Events.")
@format_option()
def check(paths: tuple[Path, ...], folder: Path | None, table: str | None, form: str) -> int:
    """Say of each thing in files and folders whether it runs here, is translated, or is not, and why.

    Reads Grafana's dashboards, .sql, the answers of DescribeScheduledQuery, templates of CloudFormation and CDK,
    rules of IoT Core, alarm and detector models of IoT Events. Exit code 1 if something has no equivalent here.
    """
    from pipeline.operations.migrate.checking import check_files  # noqa: PLC0415  # sqlglot comes with it
    from pipeline.operations.migrate.writing import write  # noqa: PLC0415  # as above

    if table is not None and "." not in table:
        raise click.UsageError(f"--table {table}: it is DATABASE.TABLE")
    report = check_files(paths, table)
    rows = [(of.verdict.value, of.file, of.line, of.what, of.why) for of in report.findings]
    document = {"findings": [dict(zip(_FOUND, row, strict=True)) for row in rows]}
    show(Listing(_FOUND, rows, document, "findings"), form)
    if folder is not None:
        try:
            written = write(report.translation, folder)
        except OSError as error:
            raise click.UsageError(
                f"{error.filename} cannot be written: {error.strerror}; name an empty folder"
            ) from error
        click.echo(f"{len(written)} files are written into {folder}", err=True)
    counts = Counter(of.verdict.value for of in report.findings)
    note(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 0 if report.is_whole else 1


@migrate.command(short_help="Ask two servers the same, and show where they differ.")
@click.argument("files", metavar="QUERIES…", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--from", "origin", metavar="URL", required=True, help="As https://query.timestream.eu-west-1.amazonaws.com."
)
@click.option("--to", "target", metavar="URL", required=True, help="A server of Streamgauge, or another one.")
@click.option(
    "--account",
    metavar="ACCOUNT",
    default="default",
    show_default=True,
    help="Of the token, at servers of Streamgauge.",
)
@click.option("--tolerance", type=click.FloatRange(0), default=1e-9, show_default=True, help="Of doubles, relative.")
@format_option("table", "json")
@click.pass_context
def verify(
    context: click.Context,
    files: tuple[Path, ...],
    origin: str,
    target: str,
    account: str,
    tolerance: float,
    form: str,
) -> int:
    """Run each statement of .sql files at both ends, by Timestream's protocol, and show rows that only one has.

    AWS is asked with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; Streamgauge with
    STREAMGAUGE_TOKEN. Exit code 1 if an answer differs, or a statement fails at one end.
    """
    from pipeline.operations.migrate.asking import TimestreamClient  # noqa: PLC0415  # imports httpx
    from pipeline.operations.migrate.comparing import differences  # noqa: PLC0415  # as above
    from pipeline.operations.migrate.statements import statements_of  # noqa: PLC0415  # sqlglot comes with it

    server = context.find_object(Server)
    assert server is not None
    results: list[dict[str, Any]] = []
    with (
        TimestreamClient(origin, _credentials(origin, account, server.token), server.ca) as first,
        TimestreamClient(target, _credentials(target, account, server.token), server.ca) as second,
    ):
        for file in files:
            for line, sql in statements_of(file):
                answers, told = [], []
                for name, client in (("from", first), ("to", second)):
                    try:
                        answers.append(client.query(sql))
                    except ServerRefused as error:
                        told.append(f"--{name} refuses it: {error}")
                if len(answers) == 2:  # both
                    told = differences(sql, answers[0], answers[1], tolerance)
                rows = len(answers[0].rows) if answers else 0
                results.append(
                    {"file": str(file), "line": line, "is_same": not told, "rows": rows, "differences": told}
                )
                if form == "table":
                    print_text("\n".join([f"{file}:{line}: {'same' if not told else 'different'}, {rows} rows", *told]))
    if not results:
        raise click.UsageError(f"nothing was compared: there is no statement in {', '.join(map(str, files))}")
    if form == "json":
        print_json({"queries": results})
    return 0 if all(result["is_same"] for result in results) else 1


def _credentials(url: str, account: str, token: str | None) -> Credentials:
    """What requests to this server are signed with."""
    from pipeline.base.sigv4 import Credentials  # noqa: PLC0415  # not for --help

    if ".amazonaws.com" not in url:
        return Credentials(account, token or "no token")
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise ConfigError(f"{url} is asked with the credentials in {' and '.join(names)}; {missing[0]} is not set")
    return Credentials(os.environ[names[0]], os.environ[names[1]], os.environ.get("AWS_SESSION_TOKEN"))
