"""The rule files: whether they can be read and are valid."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok, warn
from rules import load_rules
from rules.errors import RuleFileError

NAME = "rules"


def check_rule_files(config: Config) -> Iterator[Finding]:
    """The problems of each wrong file, and patterns that match no file."""
    files = config.rule_files
    for pattern in config.rules:
        if not config.rule_files_of(pattern):
            yield warn(NAME, f"no file fits {pattern}", "put rule files there, or take the pattern out")
    if config.rules and not files:
        return
    try:
        rules = load_rules(files)
    except RuleFileError as error:
        for line in str(error).splitlines():
            yield fail(NAME, line, "streamgauge rules check FILE validates it; a worker does not start with it")
        return
    yield ok(NAME, f"rules: {len(rules)}, in files: {len(files)}")
