"""Rule files from disk: the one place of this package that reads files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from rules.errors import Problem, RuleFileError
from rules.parse import parse_rules
from rules.rule import Rule, RuleSet


def load_rules(paths: Iterable[Path | str], *, tables: Collection[str] | None = None) -> RuleSet:
    """The rules of all these files, in order. Raises RuleFileError with every problem of every file.

    `tables`, where given, are the only tables ("database.table") that a group may name; without it any name will do,
    since a table may come to be at run time. A group's name may stand in one file only.
    """
    rules: list[Rule] = []
    problems: list[Problem] = []
    file_of: dict[str, str] = {}
    for path in paths:
        file = str(path)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            problems.append(Problem(file, None, f"cannot be read: {reason}"))
            continue
        found, wrong = parse_rules(text, file, tables=tables)
        problems += wrong
        problems += _taken(found, file, file_of)
        rules += found
    if problems:
        raise RuleFileError(problems)
    return RuleSet(tuple(rules))


def _taken(rules: list[Rule], file: str, file_of: dict[str, str]) -> list[Problem]:
    """Complaints about groups that an earlier file has under the same name; notes the others in `file_of`."""
    groups = dict.fromkeys(rule.group for rule in rules)
    taken = [
        Problem(file, None, f"group {group} is already in {file_of[group]}") for group in groups if group in file_of
    ]
    file_of.update((group, file) for group in groups if group not in file_of)
    return taken
