"""Every command that lists something has the formats of the one place that prints lists."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pipeline.operations.cli.commands import COMMANDS
from pipeline.operations.cli.group import run, streamgauge
from pipeline.operations.cli.output import LIST_FORMATS

LISTS = {
    "averages",
    "zones",
    "latest",
    "tables",
    "alerts list",
    "alerts deliveries",
    "alerts routes",
    "alerts show",
    "alerts silences",
    "receivers list",
    "devices",
    "measures list",
    "dead-letters list",
    "rules list",
    "detectors status",
    "rules explain",
    "rules check",
    "usage",
    "migrate check",
    "doctor",
    "query",
}
OTHERS = {
    *("backup", "delete", "restore"),
    *(f"import {form}" for form in ("unload", "csv", "parquet", "jsonl", "influx")),
    "migrate verify",
    *("up", "gateway", "worker", "console", "simulate", "alerts retry", "alerts deliveries retry", "measures retype"),
    *("receivers test", "alerts deliveries show", "alerts ack", "alerts unack", "alerts silence", "alerts unsilence"),
    *("rules test", "rules backtest", "rules schema", "reload", "devices forget", "detect", "alerts feedback"),
    *("measures unit", "dead-letters show", "dead-letters replay", "config show", "config schema", "config init"),
}


def leaves(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if not isinstance(command, click.Group) or any(option.name == "form" for option in command.params):
                yield " ".join((*path, name)), command
            if isinstance(command, click.Group):
                yield from leaves(command, *path, name)


COMMANDS_THERE_ARE = dict(leaves(streamgauge))


def test_every_command_is_known_to_list_something_or_not() -> None:
    assert {name.partition(" ")[0] for name in COMMANDS_THERE_ARE} == set(COMMANDS)
    assert set(COMMANDS_THERE_ARE) == LISTS | OTHERS


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_list_has_every_format(name: str) -> None:
    (option,) = [option for option in COMMANDS_THERE_ARE[name].params if option.name == "form"]

    assert isinstance(option.type, click.Choice)
    assert "--format" in option.opts
    assert set(LIST_FORMATS) <= set(option.type.choices)


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "wrong.yaml"
    file.write_text("groups:\n- {name: g, table: farm.air, rulse: []}")
    return file


def test_what_is_wrong_with_rules_is_csv_and_json_too(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes = [run(["rules", "check", str(wrong), "--format", "csv"])]
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    codes.append(run(["rules", "check", str(wrong), "--format", "json"]))
    document = json.loads(capsys.readouterr().out)

    assert codes == [1, 1]
    assert [(row["level"], row["file"], row["line"]) for row in rows] == [("problem", str(wrong), "2")] * len(rows)
    assert [row["what"] for row in rows] == [problem["message"] for problem in document["problems"]]
    assert "rulse" in rows[0]["what"]
    assert document["warnings"] == []
