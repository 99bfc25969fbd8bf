"""`streamgauge rules [list|check]`: the rules of a server, and what can be asked of rule files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.asking import client, endpoint_option, format_option
from pipeline.cli.group import Server
from pipeline.cli.output import Listing, show

_RULE = ("rule", "table", "measure", "pending", "firing", "warnings", "file")


@click.group()
def rules() -> None:
    """Rules: those of a server, and rule files."""


@rules.command("list")
@format_option()
@endpoint_option
@click.pass_context
def list_rules(context: click.Context, form: str) -> None:
    """The rules in force: how many signals of each are pending and firing, and why one may never fire."""
    with client(context) as server:
        answer = server.get("v1", "rules")
    rows = (
        tuple("; ".join(rule[name]) if name == "warnings" else rule[name] for name in _RULE) for rule in answer["rules"]
    )
    show(Listing(_RULE, rows, answer, "rules"), form)


@rules.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@endpoint_option
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...]) -> None:
    """Say what is wrong with rule files, each problem with its file and line; exit code 1 if anything is.

    With --endpoint (or STREAMGAUGE_ENDPOINT) also why a rule may never fire, judged by the tables of that server.
    """
    from rules.loading import load_rules  # noqa: PLC0415  # numpy and pyarrow come with it; --help does without

    found = load_rules(files)
    count = len(found.rules)
    server = context.find_object(Server)
    warnings = _warnings(context, files) if server is not None and server.endpoint else []
    for warning in warnings:
        click.echo(f"{warning['rule']} may never fire: {warning['warning']}")
    told = f"{len(warnings)} warnings" if warnings else "fine"
    click.echo(f"{count} rule{'' if count == 1 else 's'} in {len(files)} file{'' if len(files) == 1 else 's'}: {told}")


def _warnings(context: click.Context, files: tuple[Path, ...]) -> list[dict[str, Any]]:
    with client(context) as server:
        return [
            warning
            for file in files
            for warning in server.post(
                "v1", "rules", "check", body={"text": file.read_text(encoding="utf-8"), "file": str(file)}
            ).json()["warnings"]
        ]
