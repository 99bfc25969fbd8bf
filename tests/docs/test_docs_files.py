"""What the documents show as files, commands and links is so."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pages import PAGES, ROOT, Block, anchors, blocks, links, shell_commands, spans

from pipeline.config.load import load
from pipeline.operations.cli.group import streamgauge
from pipeline.operations.importing.mapping import read_mapping
from rules import load_rules
from rules.unit_tests import parse_tests, run_test
from simulators.fleet_file import parse_fleet

YAML = blocks("yaml", "yml")
KINDS = (
    "# streamgauge.yaml",
    "# rules/",
    "# fleet.yaml",
    "# prometheus rules",
    "# prometheus.yml",
    "# unit tests of rules",
    "# mapping.yaml",
)
# Named as what a data_dir holds, not as files of the repository.
IN_THE_DATA_DIR = {"brokers/"}
ENVIRON = {
    "BROKER_PASSWORD": "d",
    "FARM_7": "a",
    "PEER_TOKEN": "known-to-workers-only",
    "DASHBOARD": "b",
    "KAFKA_PASSWORD": "c",
    "HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "MAIL_PASSWORD": "hush",
    "SLACK_TOKENS": "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
}


def titled(title: str) -> list[Block]:
    found = [block for block in YAML if block.title.startswith(title)]
    assert found, title
    return found


def test_every_yaml_block_says_what_it_is() -> None:
    assert [str(block) for block in YAML if not block.title.startswith(KINDS)] == []


@pytest.mark.parametrize("block", titled("# streamgauge.yaml"), ids=str)
def test_a_configuration_that_is_shown_loads(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "streamgauge.yaml"
    file.write_text(block.text)

    load(file, ENVIRON, {})


@pytest.mark.parametrize("block", titled("# mapping.yaml"), ids=str)
def test_a_mapping_that_is_shown_is_read(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(block.text)

    assert read_mapping(file, {}).dimension_names()


@pytest.mark.parametrize("block", titled("# rules/"), ids=str)
def test_rules_that_are_shown_pass_the_checker(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(block.text)

    assert len(load_rules([file])) == block.text.count("- alert:")


@pytest.mark.parametrize("block", titled("# unit tests of rules"), ids=str)
def test_unit_tests_that_are_shown_pass(block: Block) -> None:
    tests, problems = parse_tests(block.text, "tests.yaml")
    rules = load_rules(ROOT / "rules" / "library" / "tests" / file for file in tests.rule_files)

    assert problems == []
    assert [run_test(test, rules) for test in tests.tests] == [[] for _ in tests.tests]


@pytest.mark.parametrize("block", titled("# fleet.yaml"), ids=str)
def test_a_fleet_that_is_shown_is_one(block: Block) -> None:
    parse_fleet(block.text, str(block))


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_that_is_shown_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_that_is_shown_parses(block: Block) -> None:
    ast.parse(block.text)


def commands_shown() -> Iterator[tuple[str, list[str]]]:
    for block in blocks("sh"):
        for words in shell_commands(block):
            yield str(block), words


@pytest.mark.parametrize(("where", "words"), list(commands_shown()), ids=lambda value: " ".join(value)[:40])
def test_a_command_that_is_shown_is_one_that_works(where: str, words: list[str]) -> None:
    parse(words, click.Context(streamgauge, info_name="streamgauge"), streamgauge)


def parse(words: list[str], parent: click.Context, command: click.Command) -> None:
    """Let click read the words, without doing anything. Raises UsageError."""
    context = command.make_context(command.name, list(words), parent)
    if isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        inner = command.get_command(context, rest[0])
        assert inner is not None, f"no command {rest[0]}"
        parse(rest[1:], context, inner)


def test_every_command_named_in_a_sentence_is_one_with_these_options() -> None:
    named = [(page, span.split()[1:]) for page, span in spans() if span.startswith("streamgauge ")]

    wrong = [(page, words) for page, words in named if not is_command(words)]

    assert named
    assert wrong == []


def is_command(words: list[str]) -> bool:
    """Whether the words are commands one in the other, and options of the last one or of the first."""
    context = click.Context(streamgauge)
    command: click.Command = streamgauge
    for word in words:
        if word.startswith("-"):
            if not any(word in parameter.opts for parameter in (*command.params, *streamgauge.params)) and word not in {
                "--help",
                "--version",
            }:
                return False
        elif isinstance(command, click.Group):
            inner = command.get_command(context, word)
            if inner is None:
                return False
            command = inner
    return True


def test_a_link_leads_somewhere() -> None:
    assert [f"{page.name}: {target}" for page, target in links() if not leads_somewhere(page, target)] == []


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    return file.exists() and (not anchor or anchor in anchors(file))


FOLDERS = ("pipeline/", "rules/", "store/", "simulators/", "tests/", "benchmarks/")


def test_every_file_of_ours_named_in_a_sentence_is_there() -> None:
    named = {span for _, span in spans() if span.startswith(FOLDERS) and not re.search(r"[*<{… ]", span)}

    assert {"rules/library/greenhouse.yaml", "tests/architecture/test_architecture.py"} <= named
    assert [name for name in sorted(named) if not (ROOT / name).exists() and name not in IN_THE_DATA_DIR] == []


def test_every_target_of_make_that_is_shown_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = {target for block in blocks("sh") for target in re.findall(r"\bmake ([a-z]+)", block.text)}

    assert {"demo", "test", "lock"} <= shown
    assert [target for target in sorted(shown) if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_the_readme_leads_to_every_document() -> None:
    led_to = {
        (page.parent / target.partition("#")[0]).resolve() for page, target in links() if page.name == "README.md"
    }

    assert [page.name for page in PAGES if page.name != "README.md" and page not in led_to] == []
