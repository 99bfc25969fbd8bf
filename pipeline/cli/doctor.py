"""`streamgauge doctor`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli.asking import format_option
from pipeline.cli.options import settings_options
from pipeline.cli.output import print_json, print_rows
from pipeline.config.load import Loaded

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command()
@format_option("table", "json")
@settings_options
def doctor(loaded: Loaded, form: str) -> int:
    """What is wrong here, and how to mend it. Changes nothing; exit code 1 if anything fails.

    Run it as the user that runs streamgauge, with the same options.
    """
    from pipeline.doctor.examine import examine  # noqa: PLC0415  # slow to import; --help does without
    from pipeline.doctor.finding import Finding, Level  # noqa: PLC0415  # as above

    found: Sequence[Finding] = examine(loaded.config)
    if form == "json":
        print_json({"findings": [asdict(finding) for finding in found]})
    elif sys.stdout.isatty():
        _print_table([(finding.level, finding.check, finding.what, finding.mend) for finding in found])
    else:
        print_rows(
            ("level", "check", "what", "mend"),
            [(finding.level, finding.check, finding.what, finding.mend) for finding in found],
        )
    return int(any(finding.level is Level.FAIL for finding in found))


def _print_table(rows: Sequence[tuple[str, str, str, str]]) -> None:
    table = Table("", "check", "what, and how to mend it", box=None, header_style="bold", pad_edge=False)
    for level, check, what, mend in rows:
        told = Text(what)
        if mend:
            told.append(f"\n→ {mend}", style="dim")
        table.add_row(Text(level, style=_STYLES[level]), check, told)
    Console().print(table)  # rich honours NO_COLOR
