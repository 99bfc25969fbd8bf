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

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from rules.definition.document import Problems, compose, meant, read_items, read_pairs, read_parsed, read_text
from rules.definition.keys import DURATION, TEXT, Form, Key, Section, mapping, schema_of, short_form
from rules.definition.level import AT_ONCE
from rules.definition.most_alerts import MOST_ALERTS
from rules.definition.no_data import NO_DATA
from rules.definition.selection import Pattern, Wanted, Where
from rules.definition.template import NUMBERS, Placeholder, Template, parse_template, without_number
from rules.errors import Problem
from rules.files.composing import composed
from rules.files.level_keys import LIMIT_KEYS, RULE_LEVEL_KEYS, implied_level, levels_of
from rules.kinds import KINDS, Condition, Kind
from rules.rule import Rule
from store.values.durations import duration_ns, format_duration
from store.values.yaml_text import MappingNode, Node, ScalarNode, SequenceNode

_LONGEST_NAME = 128
_CHANGING = {"value", *(number for kind in KINDS.values() for number in kind.numbers)}
LONGEST_LATENESS = timedelta(minutes=10)
"""Rows wait in memory, and in every snapshot."""


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
        for node in document.get("groups", ()):
            rules += _group(node, names, tables, problems)
    return rules, sorted(problems.found, key=lambda problem: problem.line or 0)


def _group(node: Node, names: set[str], tables: Collection[str] | None, problems: Problems) -> list[Rule]:
    section = Section(node, _called("group", node, "name"), GROUP_KEYS, problems)
    name, table = section.get("name", ""), section.get("table", "")
    if name in names:
        section.problem(f"two groups are named {name}")
    elif name:
        names.add(name)
    if table and tables is not None and table not in tables:
        section.problem(
            f"`table` of {section.what} names the unknown table `{table}`{meant(table, tables)}", at="table"
        )
    alerts: set[str] = set()
    node_of: dict[str, Node] = {}
    rules: dict[str, Rule] = {}
    for item in section.get("rules", ()):
        rule = _rule(item, name, table, alerts, problems)
        if rule is not None:
            rules[rule.alert], node_of[rule.alert] = rule, item

    def refuse(rule: Rule, told: str) -> None:
        problems.add(node_of[rule.alert], f"rule {rule.alert} {told}")

    return composed(rules, alerts, refuse)


def _called(kind: str, node: Node, key: str) -> str:
    """The name of a group or a rule in problems, if it has one."""
    pairs = node.value if isinstance(node, MappingNode) else ()
    names = (value.value for name, value in pairs if name.value == key and isinstance(value, ScalarNode))
    name = next(names, "")
    return f"{kind} {name}" if name else f"a {kind}"


def _rule(node: Node, group: str, table: str, alerts: set[str], problems: Problems) -> Rule | None:
    section = Section(node, _called("rule", node, "alert"), RULE_KEYS, problems)
    alert = section.get("alert", "")
    if alert in alerts:
        section.problem(f"group {group} has two rules named {alert}")
    elif alert:
        alerts.add(alert)
    kind, chosen = _kind(section)
    if kind is None or chosen is None:
        return None
    if "measure" not in section and not kind.measure:
        section.problem(f"{section.what} lacks `measure`")
    for name in kind.without:
        if name in section:
            section.problem(f"`{name}` of {section.what} does not go with `{kind.name}`", at=name)
    condition: Condition | None = kind.make(chosen)
    if condition is None:
        return None
    _check_formats(section, kind)
    _check_holds(section, kind)
    levels = levels_of(section, chosen) if kind.has_limits else (implied_level(section, condition.bounds),)
    if not section.is_whole:
        return None
    return Rule(
        *(group, alert, table, section.get("measure", kind.measure), condition, levels),
        *(section.get("where", {}), section.get("labels", {}), section.get("annotations", {}), problems.file),
        no_data=section.get("no_data"),
        max_alerts=section.get("max_alerts"),
        lateness_ns=section.get("lateness", 0),
    )


def _check_formats(section: Section, kind: Kind) -> None:
    """Only numbers may have a format, and each kind has its own."""
    numbers = (*NUMBERS, *kind.numbers)
    for name, template in section.get("annotations", {}).items():
        wrong = without_number(template, numbers)
        if wrong is not None:
            told = f"of `{kind.name}` only {', '.join(f'{{{number}}}' for number in numbers)} take a format"
            section.problem(f"`{name}` in `annotations` of {section.what} has {{{wrong}}}; {told}", at="annotations")


def _check_holds(section: Section, kind: Kind) -> None:
    """Samples are counted only where there are any; how many ticks there are says nothing."""
    for key in () if kind.is_sampled else ("for", "clear_for"):
        samples = section.get(key, AT_ONCE).samples
        if samples:
            told = f"must be a duration, is a number of samples ({samples}): `{kind.name}` has none"
            section.problem(f"`{key}` of {section.what} {told}", at=key)


def _kind(section: Section) -> tuple[Kind | None, Section | None]:
    """The kind of a rule, which is exactly one, and what stands under it; None, with a problem, if that is wrong."""
    kinds = [kind for kind in KINDS if kind in section]
    if section.is_mapping and len(kinds) != 1:
        names = " or ".join(f"`{kind}`" for kind in KINDS)
        found = "has none" if not kinds else "has " + " and ".join(f"`{kind}`" for kind in kinds)
        section.problem(f"{section.what} needs one of {names}, {found}")
    return (KINDS[kinds[0]], section.get(kinds[0])) if len(kinds) == 1 else (None, None)


def _read_name(node: Node, what: str, problems: Problems) -> str | None:
    name = read_text(node, what, problems)
    if name is not None and ("/" in name or not name.isprintable() or len(name) > _LONGEST_NAME):
        allowed = f"printable, without /, of at most {_LONGEST_NAME} characters"
        problems.add(node, f"{what} must be {allowed}, is {name!r}")
        return None
    return name


def _read_table(node: Node, what: str, problems: Problems) -> str | None:
    table = read_text(node, what, problems)
    database, dot, rest = (table or "").partition(".")
    if table is not None and not (database and dot and rest):
        problems.add(node, f"{what} must be database.table, is {table!r}")
        return None
    return table


def _read_where(node: Node, what: str, problems: Problems) -> Where | None:
    chosen: dict[str, Wanted] = {}
    for key, value in read_pairs(node, what, problems):
        wanted = _read_wanted(value, f"`{key.value}` in {what}", problems)
        if wanted is not None:
            chosen[key.value] = wanted
    return chosen


def _read_wanted(node: Node, what: str, problems: Problems) -> Wanted | None:
    """A value, a list of values, or `{regex: …}`."""
    if isinstance(node, MappingNode):
        pattern: Wanted | None = _PATTERN.read(node, what, problems)
        return pattern
    items = read_items(node, what, problems) if isinstance(node, SequenceNode) else (node,)
    texts = (read_text(item, what, problems) for item in items)
    return frozenset(text for text in texts if text is not None)


def _read_regex(node: Node, what: str, problems: Problems) -> Pattern | None:
    return read_parsed(node, what, problems, Pattern)


def _text_nodes(node: Node, what: str, problems: Problems) -> list[tuple[str, str, Node]]:
    """Names, texts, and their nodes."""
    found = []
    for name, value in read_pairs(node, what, problems):
        text = read_text(value, f"`{name.value}` in {what}", problems)
        if text is not None:
            found.append((name.value, text, value))
    return found


def _read_labels(node: Node, what: str, problems: Problems) -> dict[str, str]:
    templates = _read_annotations(node, what, problems)
    for name, template in templates.items():
        changing = {part.name for part in template.parts if isinstance(part, Placeholder)} & _CHANGING
        if changing:
            told = "labels stay the same while an alert fires; annotations may have it"
            problems.add(node, f"`{name}` in {what} has {{{min(changing)}}}; {told}")
    return {name: str(template) for name, template in templates.items()}


def _read_annotations(node: Node, what: str, problems: Problems) -> dict[str, Template]:
    templates: dict[str, Template] = {}
    for name, text, value in _text_nodes(node, what, problems):
        try:
            templates[name] = parse_template(text)
        except ValueError as error:
            problems.add(value, f"`{name}` in {what} {error}")
    return templates


def _read_lateness(node: Node, what: str, problems: Problems) -> int | None:
    span: timedelta | None = DURATION.read(node, what, problems)
    if span is not None and span > LONGEST_LATENESS:
        problems.add(node, f"{what} may be at most {format_duration(LONGEST_LATENESS)}, is {format_duration(span)}")
        return None
    return None if span is None else duration_ns(span)


_NAME = Form(_read_name, {"type": "string", "maxLength": _LONGEST_NAME, "pattern": "^[^/]+$"})
_TABLE = Form(_read_table, {"type": "string", "pattern": r"^[^.]+\..+$"})
_REGEX = Key("regex", Form(_read_regex, {"type": "string"}), "of RE2, for the whole value", is_needed=True)
_PATTERN = mapping((_REGEX,), lambda section: section.get("regex"))
_LATENESS = Form(_read_lateness, DURATION.schema)
_SCALAR = TEXT.schema
_TEXTS = {"type": "object", "additionalProperties": _SCALAR}
_ONE_OR_MORE = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}, _PATTERN.schema]}
_WHERE = Form(_read_where, {"type": "object", "additionalProperties": _ONE_OR_MORE})


def _form_of(kind: Kind) -> Form:
    whole = mapping((*kind.keys, *(LIMIT_KEYS if kind.has_limits else ())), lambda section: section)
    return short_form(kind.short, whole) if kind.short else whole


RULE_KEYS = (
    Key("alert", _NAME, "the name of the rule, once in its group", is_needed=True),
    Key("measure", TEXT, "which measure of the table; a number"),
    *(Key(kind.name, _form_of(kind), kind.about) for kind in KINDS.values()),
    Key(
        "where",
        _WHERE,
        "dimension (or `account`, `zone_name`): value, list of values, or {regex: …}",
    ),
    *RULE_LEVEL_KEYS,
    Key("no_data", NO_DATA, "what the absence of readings does: keep (the default), resolve or alert"),
    Key("lateness", _LATENESS, f"how long samples wait for earlier ones; at most {format_duration(LONGEST_LATENESS)}"),
    Key("max_alerts", MOST_ALERTS, "how many alerts may fire a minute, as 100/m; others are counted in one"),
    Key("labels", Form(_read_labels, _TEXTS), "text by name, passed on with the alert"),
    Key("annotations", Form(_read_annotations, _TEXTS), "text by name, with placeholders"),
)


def _items(of: dict[str, Any]) -> Form:
    """A list, whose items are read later."""
    return Form(read_items, {"type": "array", "items": of})


GROUP_KEYS = (
    Key("name", _NAME, "once in all files", is_needed=True),
    Key("table", _TABLE, "database.table, in every account that has it", is_needed=True),
    Key("rules", _items(schema_of(RULE_KEYS)), "in the order in which they are told", is_needed=True),
)
FILE_KEYS = (Key("groups", _items(schema_of(GROUP_KEYS)), "groups of rules, each over one table", is_needed=True),)
