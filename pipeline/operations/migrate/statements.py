"""SQL: single statements, and files of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import ConfigError
from pipeline.operations.migrate.finding import Report, Verdict
from pipeline.operations.migrate.macros import Place, Unknown, filled
from store.sql.judging import judge

_PARTS = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|;", re.DOTALL)
_BLANK = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/)*", re.DOTALL)
_SHOWN = 60  # characters of a statement


def judge_statement(
    file: str, line: int | None, what: str, sql: str, report: Report, *, is_of_file: bool = False
) -> bool:
    """Add the judgement of a statement that begins at `line`; returns whether it runs.

    `is_of_file`: its lines are lines of the file; otherwise it is a text within one.
    """
    judged = judge(sql, time.time_ns())
    error = judged.error
    if error is None:
        report.add(file, line, Verdict.RUNS, what)
        return True
    at = line + error.line - 1 if is_of_file and line is not None and error.line is not None else line
    if judged.is_sure:
        report.add(file, at, Verdict.NOT, what, error.message)
        return False
    told = f"the types of its columns are not known here, and what was tried did not fit: {error.message}"
    report.add(file, at, Verdict.LOOK, what, told)
    return True


def check_sql(file: str, text: str, report: Report) -> None:
    """Judge each statement of a file; macros of Grafana may stand in it, but for those that need a panel."""
    for line, statement in _statements(text):
        what = " ".join(statement.split())
        what = what if len(what) <= _SHOWN else f"{what[: _SHOWN - 1]}…"
        try:
            sql = filled(statement, Place(), {}) if "$__" in statement else statement
        except Unknown as error:
            report.add(file, line, Verdict.NOT, what, str(error))
            continue
        judge_statement(file, line, what, sql, report, is_of_file=True)


def statements_of(path: Path) -> list[tuple[int, str]]:
    """The statements of a file with their lines. Raises ConfigError if it cannot be read."""
    try:
        return list(_statements(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The statements between semicolons, each from its first word on, with the line of that."""
    begins = 0
    ends = [found.start() for found in _PARTS.finditer(text) if found[0] == ";"]
    for end in (*ends, len(text)):
        blank = _BLANK.match(text, begins, end)
        start = blank.end() if blank else begins
        if start < end:
            yield text.count("\n", 0, start) + 1, text[start:end].rstrip()
        begins = end + 1
