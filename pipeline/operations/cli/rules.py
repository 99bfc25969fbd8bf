"""`streamgauge rules`: the rules of a server, and checks of rule files; its other commands have their own modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.operations.cli.asking import client, list_options
from pipeline.operations.cli.group import Server
from pipeline.operations.cli.output import Listing, print_text, show
from pipeline.operations.cli.rules_backtest import backtest
from pipeline.operations.cli.rules_explain import explain
from pipeline.operations.cli.rules_test import schema, test_command

_RULE = ("rule", "table", "measure", "pending", "firing", "warnings", "file")
_FOUND = ("level", "file", "line", "rule", "what")


@click.group()
def rules() -> None:
    """Rules: those of a server, and rule files."""


rules.add_command(test_command)
rules.add_command(backtest)
rules.add_command(schema)
rules.add_command(explain)


@rules.command("list", short_help="The rules in force, with warnings.")
@list_options
def list_rules(context: click.Context, form: str) -> None:
    """The rules in force: how many signals of each are pending and firing, and why one may never fire."""
    with client(context) as server:
        answer = server.get("v1", "rules")
    rows = (
        tuple("; ".join(rule[name]) if name == "warnings" else rule[name] for name in _RULE) for rule in answer["rules"]
    )
    show(Listing(_RULE, rows, answer, "rules"), form)


@rules.command(short_help="Check rule files.")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@list_options
def check(context: click.Context, files: tuple[Path, ...], form: str) -> int:
    """Say what is wrong with rule files, each problem with its file and line; exit code 1 if anything is.

    With --endpoint (or STREAMGAUGE_ENDPOINT) also why a rule may never fire, judged by the tables of that server.
    """
    from rules.errors import Problem, RuleFileError  # noqa: PLC0415  # numpy and pyarrow come with it; --help does without
    from rules.files.loading import load_rules  # noqa: PLC0415  # as above

    count: int | None = None
    problems: tuple[Problem, ...] = ()
    try:
        count = len(load_rules(files).rules)
    except RuleFileError as error:
        if form == "table":
            raise  # reported on standard error, as by compilers
        problems = error.problems
    server = context.find_object(Server)
    asks = not problems and server is not None and server.endpoint
    warnings = _warnings(context, files) if asks else []
    if form == "table":
        for warning in warnings:
            print_text(f"{warning['rule']} may never fire: {warning['warning']}")
        told = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}" if warnings else "fine"
        print_text(
            f"{count} rule{'' if count == 1 else 's'} in {len(files)} file{'' if len(files) == 1 else 's'}: {told}"
        )
        return 0
    rows: list[tuple[object, ...]] = [("problem", found.file, found.line, None, found.message) for found in problems]
    rows += [("warning", warning["file"], None, warning["rule"], warning["warning"]) for warning in warnings]
    wrong = [{"file": found.file, "line": found.line, "message": found.message} for found in problems]
    show(Listing(_FOUND, rows, {"rules": count, "problems": wrong, "warnings": warnings}), form)
    return int(bool(problems))


def _warnings(context: click.Context, files: tuple[Path, ...]) -> list[dict[str, Any]]:
    with client(context) as server:
        return [
            {"file": str(file), **warning}
            for file in files
            for warning in server.post(
                "v1", "rules", "check", body={"text": file.read_text(encoding="utf-8"), "file": str(file)}
            ).json()["warnings"]
        ]
