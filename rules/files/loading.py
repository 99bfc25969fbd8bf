"""Loads rule files from disk: the only module of this package that reads files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from rules.errors import Problem, RuleFileError
from rules.files.parse import parse_rules
from rules.rule import Rule, RuleSet


def load_rules(paths: Iterable[Path | str], *, tables: Collection[str] | None = None) -> RuleSet:
    """The rules of all these files, in order. Raises RuleFileError with every problem of every file.

    If `tables` is given, a group may name only these tables ("database.table"); otherwise any, because a table may be
    created later. The name of a group must be unique over all files.
    """
    return rules_of(read_files(paths), tables=tables)


def read_files(paths: Iterable[Path | str]) -> Iterator[tuple[str, str | Problem]]:
    """Name and text of each file; instead of a text that cannot be read, the problem."""
    for path in paths:
        file = str(path)
        try:
            yield file, Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            yield file, Problem(file, None, f"cannot be read: {reason}")


def rules_of(files: Iterable[tuple[str, str | Problem]], *, tables: Collection[str] | None = None) -> RuleSet:
    """As `load_rules`, for files that are read. Raises RuleFileError."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    file_of: dict[str, str] = {}
    for file, text in files:
        if isinstance(text, Problem):
            problems.append(text)
            continue
        found, wrong = parse_rules(text, file, tables=tables)
        problems += wrong
        problems += _taken(found, file, file_of)
        rules += found
    if problems:
        raise RuleFileError(problems)
    return RuleSet(tuple(rules))


def _taken(rules: list[Rule], file: str, file_of: dict[str, str]) -> list[Problem]:
    """Problems of groups whose name an earlier file has; adds the others to `file_of`."""
    groups = dict.fromkeys(rule.group for rule in rules)
    taken = [
        Problem(file, None, f"group {group} is already in {file_of[group]}") for group in groups if group in file_of
    ]
    file_of.update((group, file) for group in groups if group not in file_of)
    return taken
