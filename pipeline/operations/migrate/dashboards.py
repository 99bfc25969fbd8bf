"""Dashboards of Grafana: each query of a panel, variable and annotation that goes to Timestream."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.operations.migrate.finding import Report, Verdict
from pipeline.operations.migrate.macros import Place, Unknown, Variable, filled
from pipeline.operations.migrate.statements import judge_statement
from pipeline.operations.migrate.tree import Text, Tree, Value, walk

DATASOURCE = "grafana-timestream-datasource"
_SAMPLE = "x"


def dashboard_of(value: Value) -> Tree | None:
    """The dashboard in a file: as exported, or as the API of Grafana answers; None if it is none."""
    if not isinstance(value, Tree):
        return None
    found = value.tree("dashboard") or value.tree("spec") or value
    return found if "panels" in found or "rows" in found or ("templating" in found and "title" in found) else None


def check_dashboard(file: str, dashboard: Tree, report: Report) -> None:
    """Judge all its queries."""
    variables = dict(_variables(dashboard))
    count = 0
    for what, query, place in _queries(dashboard):
        count += 1
        try:
            sql = filled(query, place, variables)
        except Unknown as error:
            report.add(file, query.line, Verdict.NOT, what, str(error))
            continue
        judge_statement(file, query.line, what, sql, report)
    if not count:
        report.add(
            file, dashboard.line, Verdict.SKIPPED, f"dashboard {dashboard.text('title')!r}", "no query of Timestream"
        )


def _queries(dashboard: Tree) -> Iterator[tuple[str, Text, Place]]:
    """Each query: what it is of, its text, and what the editor names."""
    for tree in walk(dashboard):
        title = tree.text("title") or tree.text("name")
        for target in tree.trees("targets"):
            query = target.get("rawQuery")
            if isinstance(query, Text) and _is_timestream(target, tree, query):
                yield f"panel {title!r} {target.text('refId')}".rstrip(), query, _place(target)
    for variable in dashboard.tree("templating").trees("list"):
        yield from _other_query(variable, f"variable ${variable.text('name')}")
    for annotation in dashboard.tree("annotations").trees("list"):
        yield from _other_query(annotation, f"annotation {annotation.text('name')!r}")


def _other_query(of: Tree, what: str) -> Iterator[tuple[str, Text, Place]]:
    """The query of a variable or annotation: a text, or as that of a panel."""
    inner = of.get("query")
    holder = inner if isinstance(inner, Tree) else of.tree("target") or of
    query = holder.get("rawQuery", inner if isinstance(inner, Text) else None)
    if isinstance(query, Text) and of.text("type") in {"", "query"} and _is_timestream(of, holder, query):
        yield what, query, _place(holder)


def _is_timestream(first: Tree, second: Tree, query: Text) -> bool:
    """Whether the query goes to Timestream: by its data source, or, if that is a name or a variable, by its form."""
    for tree in (first, second):
        kind = tree.text("datasource", "type")
        if kind:
            return kind == DATASOURCE
    return " " in query.strip()


def _place(target: Tree) -> Place:
    return Place(target.text("database"), target.text("table"), target.text("measure"))


def _variables(dashboard: Tree) -> Iterator[tuple[str, Variable]]:
    for variable in dashboard.tree("templating").trees("list"):
        is_list = variable.text("multi") == "true" or variable.text("includeAll") == "true"
        value = variable.tree("current").get("value")
        values = [str(item) for item in value if item] if isinstance(value, list) else [str(value)] if value else []
        if not values or values == ["$__all"]:
            values = [variable.text("allValue") or _first_option(variable)]
        if values[0].startswith("$__auto"):
            values = ["1m"]
        yield variable.text("name"), Variable(values, is_list)


def _first_option(variable: Tree) -> str:
    options = [option.text("value") for option in variable.trees("options")]
    return next((value for value in options if value and value != "$__all"), _SAMPLE)
