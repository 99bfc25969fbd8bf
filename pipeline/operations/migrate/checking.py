"""Checks files: finds out of which kind each is, and reports what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.operations.migrate.cloudformation import check_template, template_of
from pipeline.operations.migrate.dashboards import check_dashboard, dashboard_of
from pipeline.operations.migrate.finding import Report, Verdict
from pipeline.operations.migrate.iot_events import check_model, model_of
from pipeline.operations.migrate.requests import check_scheduled_query, scheduled_query_of, take_retention
from pipeline.operations.migrate.statements import check_sql
from pipeline.operations.migrate.topic_rules import check_topic_rule, topic_rule_of
from pipeline.operations.migrate.tree import Value, read_tree
from store.values.yaml_text import NotYaml

SUFFIXES = (".json", ".yaml", ".yml", ".template", ".sql")
MOST_BYTES = 64 << 20


def files_of(paths: Sequence[Path]) -> Iterator[Path]:
    """The files that are named, and those of these kinds in folders that are named, in the order of their names."""
    for path in paths:
        if path.is_dir():
            yield from sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in SUFFIXES
                and file.is_file()
                and not any(part.startswith(".") or part == "node_modules" for part in file.relative_to(path).parts)
            )
        else:
            yield path


def check_files(paths: Sequence[Path], table: str | None) -> Report:
    """What becomes of everything in these files and folders; `table` has the inputs of IoT Events."""
    report = Report()
    trees: list[tuple[Path, Value]] = []
    for path in files_of(paths):
        try:
            text = _text_of(path)
            if path.suffix.lower() == ".sql":
                check_sql(str(path), text, report)
            else:
                trees.append((path, read_tree(path, text)))
        except NotYaml as error:
            report.add(str(path), error.line, Verdict.NOT, path.name, str(error))
        except (OSError, ValueError) as error:
            report.add(str(path), None, Verdict.NOT, path.name, f"it cannot be read: {error}")
    for path, value in sorted(trees, key=lambda of: model_of(of[1]) is not None):  # rules are of tables
        _check(path, value, table or report.translation.only_table, report)
    take_retention(report.translation)
    report.findings.sort(key=lambda finding: (finding.file, finding.line or 0))
    return report


def _text_of(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES >> 20} MiB")
    return path.read_text(encoding="utf-8-sig")


def _check(path: Path, value: Value, table: str | None, report: Report) -> None:
    file = str(path)
    if (template := template_of(value)) is not None:
        check_template(file, template, table, report)
    elif (dashboard := dashboard_of(value)) is not None:
        check_dashboard(file, dashboard, report)
    elif (scheduled := scheduled_query_of(value)) is not None:
        check_scheduled_query(file, scheduled, report)
    elif (rule := topic_rule_of(value)) is not None:
        check_topic_rule(file, rule, path.stem, report)
    elif (model := model_of(value)) is not None:
        check_model(file, model, table, path.stem, report)
    else:
        told = "no dashboard, scheduled query, template, rule of IoT Core or model of IoT Events"
        report.add(file, None, Verdict.SKIPPED, path.name, told)
