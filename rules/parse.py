"""Rule files → rules: the allowed content of a file, and every problem of it. Pure: text in, rules out.

    groups:
      - name: greenhouse-climate
        table: agriculture.readings
        rules:
          - alert: TooHot
            measure: temperature
            where: {region: [eu-west, eu-north]}     # dimensions, or `account`
            range: {min: 5, max: 32}                 # or rate_of_change: {min, max, per}
            clear: {min: 6, max: 30}
            for: 2m
            labels: {severity: warning}
            annotations: {summary: "{zone_name}: {value} °C on {sensor}"}

A bound that `clear` leaves out is that of the condition: with `range: {min: 5, max: 32}`, `clear: {max: 30}` resolves
within 5 to 30.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import timedelta

from rules.document import Problems, Section, compose, meant, read_items, read_pairs, read_text
from rules.errors import Problem
from rules.rule import Bounds, Condition, Range, RateOfChange, Rule
from rules.template import Template, parse_template
from store.values.yaml_text import MappingNode, Node, ScalarNode, SequenceNode

FILE_KEYS = ("groups",)
GROUP_KEYS = ("name", "table", "rules")
CONDITION_KEYS = ("range", "rate_of_change", "detector")
RULE_KEYS = ("alert", "measure", "where", *CONDITION_KEYS, "clear", "for", "labels", "annotations")

_LONGEST_NAME = 128


def parse_rules(text: str, file: str, *, tables: Collection[str] | None = None) -> tuple[list[Rule], list[Problem]]:
    """The rules in `text`, without those that have problems, and all problems.

    `file` is the name of the text in problems. If `tables` is given, a group may name only these tables
    ("database.table").
    """
    problems = Problems(file)
    root = compose(text, problems)
    rules: list[Rule] = []
    if root is not None:
        document = Section(root, "the file", FILE_KEYS, problems)
        names: set[str] = set()
        for node in read_items(document.required("groups"), "`groups`", problems):
            rules += _group(node, names, tables, problems)
    return rules, sorted(problems.found, key=lambda problem: problem.line or 0)


def _group(node: Node, names: set[str], tables: Collection[str] | None, problems: Problems) -> list[Rule]:
    section = Section(node, _called("group", node, "name"), GROUP_KEYS, problems)
    name = _name(section, "name", problems)
    if name is not None:
        if name in names:
            problems.add(node, f"two groups are named {name}")
        names.add(name)
    table = _table(section, tables, problems)
    alerts: set[str] = set()
    found = []
    for item in read_items(section.required("rules"), f"`rules` of {section.what}", problems):
        rule = _rule(item, name or "", table or "", alerts, problems)
        if rule is not None:
            found.append(rule)
    return found


def _called(kind: str, node: Node, key: str) -> str:
    """The name of a group or a rule in problems, if it has one."""
    pairs = node.value if isinstance(node, MappingNode) else ()
    names = (value.value for name, value in pairs if name.value == key and isinstance(value, ScalarNode))
    name = next(names, "")
    return f"{kind} {name}" if name else f"a {kind}"


def _name(section: Section, key: str, problems: Problems) -> str | None:
    name = section.text(key)
    node = section.value(key)
    if name is None or node is None:
        return None
    if "/" in name or not name.isprintable() or len(name) > _LONGEST_NAME:
        allowed = f"printable, without /, of at most {_LONGEST_NAME} characters"
        problems.add(node, f"`{key}` of {section.what} must be {allowed}, is {name!r}")
        return None
    return name


def _table(section: Section, tables: Collection[str] | None, problems: Problems) -> str | None:
    table = section.text("table")
    node = section.value("table")
    if table is None or node is None:
        return None
    database, dot, rest = table.partition(".")
    if not (database and dot and rest):
        problems.add(node, f"`table` of {section.what} must be database.table, is {table!r}")
        return None
    if tables is not None and table not in tables:
        problems.add(node, f"`table` of {section.what} names the unknown table `{table}`{meant(table, tables)}")
        return None
    return table


def _rule(node: Node, group: str, table: str, alerts: set[str], problems: Problems) -> Rule | None:
    before = len(problems.found)
    section = Section(node, _called("rule", node, "alert"), RULE_KEYS, problems)
    alert = _name(section, "alert", problems)
    if alert is not None:
        if alert in alerts:
            problems.add(node, f"group {group} has two rules named {alert}")
        alerts.add(alert)
    measure = section.text("measure")
    condition = _condition(section, problems)
    clear = _clear(section, condition, problems)
    hold = section.duration("for") or timedelta(0)
    where = _where(section, problems)
    labels = _texts(section, "labels", problems)
    annotations = _annotations(section, problems)
    if len(problems.found) > before or alert is None or measure is None or condition is None:
        return None
    return Rule(group, alert, table, measure, condition, clear, hold, where, labels, annotations, problems.file)


def _condition(section: Section, problems: Problems) -> Condition | None:
    if not section.is_mapping:
        return None
    kinds = [key for key in CONDITION_KEYS if key in section]
    if len(kinds) != 1:
        found = "has none" if not kinds else "has " + " and ".join(f"`{kind}`" for kind in kinds)
        problems.add(section.node, f"{section.what} needs one of `range` and `rate_of_change`, {found}")
        return None
    kind = kinds[0]
    node = section.value(kind)
    assert node is not None
    if kind == "detector":
        problems.add(node, f"{section.what} asks for a `detector`; this version has `range` and `rate_of_change`")
        return None
    keys = ("min", "max") if kind == "range" else ("min", "max", "per")
    limits = Section(node, f"`{kind}` of {section.what}", keys, problems)
    bounds = _bounds(limits, Bounds(), problems)
    if kind == "range":
        return None if bounds is None else Range(bounds)
    per = _per(limits, problems)
    return None if bounds is None or per is None else RateOfChange(bounds, per)


def _per(limits: Section, problems: Problems) -> timedelta | None:
    node = limits.required("per")
    per = limits.duration("per")
    if node is not None and per == timedelta(0):
        problems.add(node, f"`per` of {limits.what} must be longer than nothing")
        return None
    return per


def _bounds(limits: Section, default: Bounds, problems: Problems) -> Bounds | None:
    """The bounds in a mapping with `min` and `max`; at least one is required."""
    low, high = limits.number("min"), limits.number("max")
    if ("min" in limits and low is None) or ("max" in limits and high is None):
        return None
    if not limits.is_mapping:
        return None
    if low is None and high is None:
        problems.add(limits.node, f"{limits.what} needs `min`, `max` or both")
        return None
    bounds = Bounds(default.min if low is None else low, default.max if high is None else high)
    if bounds.min > bounds.max:
        problems.add(limits.node, f"{limits.what} has min {bounds.min:g} above max {bounds.max:g}")
        return None
    return bounds


def _clear(section: Section, condition: Condition | None, problems: Problems) -> Bounds:
    """Where the alert resolves: the condition's bounds, or the narrower ones of `clear`."""
    normal = Bounds() if condition is None else condition.bounds
    node = section.value("clear")
    if node is None:
        return normal
    limits = Section(node, f"`clear` of {section.what}", ("min", "max"), problems)
    clear = _bounds(limits, normal, problems)
    if clear is None or (normal.min <= clear.min and clear.max <= normal.max):
        return clear or normal
    problems.add(node, f"{limits.what} ({_shown(clear)}) must lie within its bounds ({_shown(normal)})")
    return normal


def _shown(bounds: Bounds) -> str:
    low = "" if math.isinf(bounds.min) else f"min {bounds.min:g}"
    high = "" if math.isinf(bounds.max) else f"max {bounds.max:g}"
    return ", ".join(part for part in (low, high) if part)


def _where(section: Section, problems: Problems) -> dict[str, frozenset[str]]:
    node = section.value("where")
    if node is None:
        return {}
    chosen = {}
    for key, value in read_pairs(node, f"`where` of {section.what}", problems):
        what = f"`{key.value}` in `where` of {section.what}"
        items = read_items(value, what, problems) if isinstance(value, SequenceNode) else (value,)
        texts = (read_text(item, what, problems) for item in items)
        chosen[key.value] = frozenset(text for text in texts if text is not None)
    return chosen


def _texts(section: Section, key: str, problems: Problems) -> dict[str, str]:
    return {name: text for name, text, _ in _text_nodes(section, key, problems)}


def _text_nodes(section: Section, key: str, problems: Problems) -> list[tuple[str, str, Node]]:
    """Names, texts, and their nodes."""
    node = section.value(key)
    found = []
    for name, value in () if node is None else read_pairs(node, f"`{key}` of {section.what}", problems):
        text = read_text(value, f"`{name.value}` in `{key}` of {section.what}", problems)
        if text is not None:
            found.append((name.value, text, value))
    return found


def _annotations(section: Section, problems: Problems) -> dict[str, Template]:
    templates: dict[str, Template] = {}
    for name, text, node in _text_nodes(section, "annotations", problems):
        try:
            templates[name] = parse_template(text)
        except ValueError as error:
            problems.add(node, f"`{name}` in `annotations` of {section.what} {error}")
    return templates
