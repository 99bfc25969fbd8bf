"""`streamgauge doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from pipeline.config.load import Loaded
from pipeline.operations.cli import standard_output
from pipeline.operations.cli.asking import format_option
from pipeline.operations.cli.options import settings_options
from pipeline.operations.cli.output import Listing, show

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_COLUMNS = ("level", "check", "what", "remedy")


@click.command()
@click.option("--deep", is_flag=True, help="Read all data, too, and verify their checksums.")
@format_option()
@settings_options
def doctor(loaded: Loaded, form: str, *, deep: bool) -> int:
    """Check the configuration, this machine and a running server. Changes nothing; exit code 1 if anything fails.

    Run it as the user that runs streamgauge, with the same options.
    """
    from pipeline.operations.doctor.examine import examine  # noqa: PLC0415  # slow to import; --help does without
    from pipeline.operations.doctor.finding import Finding, Level  # noqa: PLC0415  # as above

    found: Sequence[Finding] = examine(loaded.config)
    if deep:
        from pipeline.operations.doctor.deep import verify  # noqa: PLC0415  # as above

        found = [*found, *verify(loaded.config, lambda what: click.echo(f"verifying {what}", err=True))]
    rows = [(finding.level.value, finding.check, finding.what, finding.remedy) for finding in found]
    if form == "table" and standard_output.is_terminal():
        _print_table(rows)
    else:
        show(Listing(_COLUMNS, rows, {"findings": [asdict(finding) for finding in found]}), form)
    return int(any(finding.level is Level.FAIL for finding in found))


def _print_table(rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Print for a person: long texts are wrapped at words, each remedy is under its finding."""
    from rich.console import Console  # noqa: PLC0415  # as above
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    table = Table("", "check", "finding and remedy", box=None, header_style="bold", pad_edge=False)
    for level, check, what, remedy in rows:
        told = Text(what)
        if remedy:
            told.append(f"\n→ {remedy}", style="dim")
        table.add_row(Text(level, style=_STYLES[level]), Text(check, no_wrap=True, overflow="fold"), told)
    Console().print(table)  # rich honours NO_COLOR
