"""`streamgauge rules`: what can be asked of rule files without a server."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def rules() -> None:
    """Check rule files."""


@rules.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Say what is wrong with rule files, each problem with its file and line; exit code 1 if anything is."""
    from rules.loading import load_rules  # noqa: PLC0415  # numpy and pyarrow come with it; --help does without

    found = load_rules(files)
    count = len(found.rules)
    click.echo(f"{count} rule{'' if count == 1 else 's'} in {len(files)} file{'' if len(files) == 1 else 's'}: fine")
