"""`streamgauge config`: the effective configuration, its schema, and a file to begin with."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import click

from pipeline.operations.cli.asking import format_option
from pipeline.operations.cli.options import DEFAULT_FILE, config_option, load_from
from pipeline.operations.cli.output import print_json, print_text


@click.group()
def config() -> None:
    """Show, describe or begin a streamgauge.yaml."""


@config.command(short_help="The configuration in force, secrets masked.")
@config_option
@click.option("--origins/--no-origins", default=True, help="Whether to say where each setting came from (in YAML).")
@format_option("yaml", "json")
def show(config_file: Path | None, origins: bool, form: str) -> None:
    """The configuration in force, secrets masked, with where each setting came from."""
    from pipeline.config.show import show_config  # noqa: PLC0415  # slow to import; --help does without

    loaded = load_from(config_file, {})
    if form == "json":
        print_json(loaded.config.model_dump(mode="json", by_alias=True))
    else:
        print_text(show_config(loaded, origins=origins))
    for warning in loaded.config.warnings:
        click.echo(f"Warning: {warning}", err=True)


@config.command()
def schema() -> None:
    """The JSON Schema of streamgauge.yaml, for editors and checks."""
    from pipeline.config.schema import config_schema  # noqa: PLC0415  # as above

    print_text(json.dumps(config_schema(), indent=2))


@config.command()
@click.argument("file", default=DEFAULT_FILE, type=click.Path(path_type=Path))
def init(file: Path) -> None:
    """Write a commented streamgauge.yaml to begin with. A file that is there already is left alone."""
    text = resources.files("pipeline.config").joinpath("example.yaml").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already; name another file, or move it away") from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {file}. `streamgauge up` reads {DEFAULT_FILE} in its folder; others with --config.", err=True)
