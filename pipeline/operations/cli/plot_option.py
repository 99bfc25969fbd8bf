"""The option --plot of commands that draw a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.operations.plots import Chart

ENDS = (".png", ".svg", ".pdf")


def plot_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --plot with this help, passed on as `plot`: a path with one of ENDS, or None."""
    return click.option("--plot", metavar="FILE.png", type=click.Path(path_type=Path), callback=_checked, help=text)


def write_plot(path: Path, charts: list[Chart]) -> None:
    """Draw the charts into the file, and say so on standard error. Raises PlotFailed."""
    from pipeline.operations.plots import save  # noqa: PLC0415  # numpy comes with it

    save(path, charts)
    if sys.stderr is not None:
        click.echo(f"the picture is {path}", err=True)


def _checked(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix not in ENDS:
        raise click.BadParameter(f"{path} must end in one of {', '.join(ENDS)}")
    return path
