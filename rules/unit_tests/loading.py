"""Loads unit-test files, and the rule files that they name, from disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rules.errors import Problem, RuleFileError
from rules.files.loading import load_rules
from rules.rule import RuleSet
from rules.unit_tests.document import TestFile, parse_tests


def load_tests(paths: Iterable[Path]) -> list[tuple[TestFile, RuleSet]]:
    """The tests of each file with their rules. Raises RuleFileError with every problem of every file."""
    found: list[tuple[TestFile, RuleSet]] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            problems.append(Problem(str(path), None, f"cannot be read: {reason}"))
            continue
        tests, wrong = parse_tests(text, str(path))
        problems += wrong
        try:
            found.append((tests, load_rules(path.parent / file for file in tests.rule_files)))
        except RuleFileError as error:
            problems += error.problems
    if problems:
        raise RuleFileError(problems)
    return found
