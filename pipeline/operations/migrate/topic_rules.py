"""Rules of IoT Core with an action for Timestream, as tables of a streamgauge.yaml.

A rule reads `SELECT fields FROM 'topic filter'`, and its action names the table, its dimensions and the time. Here the
table itself says which MQTT topics it takes. IoT Core writes a record for each field; here all fields of a message are
one record, so statements that select by `measure_name` are written otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from pipeline.config.tables import Table
from pipeline.operations.migrate.finding import Report, Verdict
from pipeline.operations.migrate.tree import Tree, Value, lower_first

_SQL = re.compile(
    r"\s*SELECT\s+(?P<what>.+?)\s+FROM\s+'(?P<topic>[^']+)'(?:\s+WHERE\s+(?P<where>.+?))?\s*;?\s*",
    re.DOTALL | re.IGNORECASE,
)
_FIELD = re.compile(r"(?P<field>[A-Za-z_][\w.]*)(?:\s+AS\s+(?P<name>\w+))?", re.IGNORECASE)
_LEVEL = re.compile(r"topic\((\d+)\)", re.IGNORECASE)
_LEVEL_AS = re.compile(r"topic\((\d+)\)\s+AS\s+(\w+)", re.IGNORECASE)
_TEMPLATE = re.compile(r"\$\{\s*(.+?)\s*\}")
_UNITS = {"SECONDS": "s", "MILLISECONDS": "ms", "MICROSECONDS": "us", "NANOSECONDS": "ns"}
SINGLE = (
    "IoT Core wrote a record for each field, with measure_value::…; here a message is one record, with a column for "
    "each field: a statement with measure_name = 'x' and measure_value::double selects the column x instead"
)


@dataclass(slots=True)
class _Made:
    """The table that is made, and what of the rule it does not have."""

    levels: dict[int, str] = field(default_factory=dict)  # names of levels of the MQTT topic, from 1
    dimensions: list[str] = field(default_factory=list)
    measures: dict[str, dict[str, str]] = field(default_factory=dict)
    only: list[str] = field(default_factory=list)
    time: dict[str, str] | None = None
    lost: list[str] = field(default_factory=list)


def topic_rule_of(value: Value) -> Tree | None:
    """The rule in a file: the answer of GetTopicRule, or the payload of CreateTopicRule; None if it is none."""
    if not isinstance(value, Tree):
        return None
    found = lower_first(value)
    assert isinstance(found, Tree)
    found = found.tree("rule") or found.tree("topicRulePayload") or found
    return found if found.text("sql") and isinstance(found.get("actions"), list) else None


def check_topic_rule(file: str, rule: Tree, name: str, report: Report) -> None:
    """Translate each of its actions for Timestream."""
    what = f"rule {rule.text('ruleName') or name!r}"
    actions = [action.tree("timestream") for action in rule.trees("actions") if "timestream" in action]
    if not actions:
        kinds = ", ".join(sorted(kind for action in rule.trees("actions") for kind in action))
        report.add(file, rule.line, Verdict.SKIPPED, what, f"its actions are not for Timestream: {kinds}")
    for action in actions:
        _translate(file, rule, action, what, report)


def _translate(file: str, rule: Tree, action: Tree, what: str, report: Report) -> None:
    table = f"{action.text('databaseName')}.{action.text('tableName')}"
    parsed = _SQL.fullmatch(rule.text("sql"))
    line = getattr(rule["sql"], "line", rule.line)
    if parsed is None:
        report.add(
            file, line, Verdict.NOT, what, f"its SQL is of another form than this program reads: {rule.text('sql')}"
        )
        return
    if parsed["where"]:
        report.add(
            file, line, Verdict.NOT, what, f"WHERE {parsed['where']}: a table takes every message of its MQTT topics"
        )
        return
    made = _Made()
    _take_dimensions(action, made)
    _take_time(action, made)
    _take_fields(parsed["what"], made)
    section = _section(table, parsed["topic"], made)
    other = report.translation.tables.get(table)
    if other is not None and other != section:
        report.add(file, line, Verdict.NOT, what, f"another rule writes {table} in another way; a table has one")
        return
    try:
        Table.model_validate(section)
    except ValidationError as error:
        report.add(file, line, Verdict.NOT, what, f"the table {table} would not be valid: {error.errors()[0]['msg']}")
        return
    report.translation.tables[table] = section
    report.add(file, line, Verdict.TRANSLATED, what, f"into the table {table} of streamgauge.yaml")
    for lost in made.lost:
        report.add(file, line, Verdict.LOOK, what, lost)
    report.add(file, line, Verdict.LOOK, what, SINGLE)


def _take_dimensions(action: Tree, made: _Made) -> None:
    for dimension in action.trees("dimensions"):
        name, value = dimension.text("name"), dimension.text("value")
        template = _TEMPLATE.fullmatch(value)
        level = _LEVEL.fullmatch(template[1]) if template else None
        if level is not None:
            made.levels[int(level[1])] = name
        elif template is not None and _FIELD.fullmatch(template[1]):
            of = template[1].replace(".", "_")
            made.dimensions.append(of)
            if of != name:
                made.lost.append(f"the dimension {name!r} is called {of!r} here, as the field of the payload is")
        else:
            made.lost.append(f"the dimension {name!r} is {value!r}, which no message has: it is left out")


def _take_time(action: Tree, made: _Made) -> None:
    value, unit = action.text("timestamp", "value"), action.text("timestamp", "unit")
    template = _TEMPLATE.fullmatch(value)
    if template is None or template[1].lower().startswith("timestamp("):
        return  # the time of arrival, which is the default
    if _FIELD.fullmatch(template[1]):
        made.time = {"field": template[1].replace(".", "_"), "unit": _UNITS.get(unit.upper(), "ms")}
    else:
        made.lost.append(f"the time is {value!r}; here it is the time of arrival")


def _take_fields(what: str, made: _Made) -> None:
    """The fields of the SELECT: those with another name, and, without *, those that are taken at all."""
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", what)]
    for part in parts:
        level, found = _LEVEL_AS.fullmatch(part), _FIELD.fullmatch(part)
        if part == "*":
            continue
        if level is not None:
            made.levels.setdefault(int(level[1]), level[2])
            made.lost.append(f"{part}: {level[2]!r} is a dimension here")
        elif found is not None:
            of = found["field"].replace(".", "_")
            made.only.append(of)
            if found["name"] and found["name"] != of:
                made.measures[of] = {"as": found["name"]}
        else:
            made.lost.append(f"{part}: nothing is computed from fields here; it is left out")
    if "*" in parts:
        made.only = []
    elif made.only:
        made.only += [name for name in made.dimensions if name not in made.only]
        if made.time is not None and made.time["field"] not in made.only:
            made.only.append(made.time["field"])


def _section(table: str, topic: str, made: _Made) -> dict[str, Any]:
    levels = topic.split("/")
    for number, level in enumerate(levels, 1):
        if level == "+" and number in made.levels:
            levels[number - 1] = f"{{{made.levels[number]}}}"
        elif number in made.levels and level != "#":
            made.lost.append(f"the dimension {made.levels[number]!r} is always {level!r}, and is left out")
    section: dict[str, Any] = {"name": table, "topics": "/".join(levels)}
    for name in ("time", "dimensions", "measures", "only"):
        if getattr(made, name):
            section[name] = getattr(made, name)
    return section
