"""Why a rule may never fire, judged by the known series of its table. Pure; has no effect on decisions of a rule.

A warning is not an error: a table, a measure or a dimension's value may appear tomorrow. It shows what the rule says,
what exists instead, and what to do. While no series is known, there is no warning.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from rules.alerts.placeholders import ALL_NAMES
from rules.definition.level import SEVERITY
from rules.definition.selection import ACCOUNT, ZONE_NAME, Pattern
from rules.definition.template import Placeholder, parse_template
from rules.kinds import KINDS
from rules.kinds.rate_of_change import LONGEST_GAP
from rules.rule import Rule
from store.record import MeasureType, TableId
from store.values.nearest import nearest

MOST_NAMED = 8
_SINGLE = "measure_value::"
_NUMBERS = (MeasureType.DOUBLE, MeasureType.BIGINT)


_OF_ZONES = ("zone", "peers", "detector")  # kinds that judge the series of a zone together


class Kind(enum.StrEnum):
    """The kind of warning."""

    TABLE = "table"
    MEASURE = "measure"
    TYPE = "type"
    WHERE = "where"
    ZONE = "zone"
    TEMPLATE = "template"
    PER = "per"
    FOR = "for"


@dataclass(frozen=True, slots=True)
class RuleWarning:
    """One warning; `table` None: in every account."""

    kind: Kind
    table: TableId | None
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a table that has series.

    types      the types of its measures; of single-measure records `measure_value::<type>`
    names      the measure names of its series
    values     dimension → the values of its series; None: too many to be kept, or not all are known yet
    has_zones  whether a series is in a zone
    """

    table: TableId
    types: Mapping[str, MeasureType]
    names: AbstractSet[str]
    values: Mapping[str, AbstractSet[str] | None]
    has_zones: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """What a rule has done since the start.

    judged       samples with a value
    too_wide     samples without one: the gap before them was too long for `per`
    waiting      signals beyond the bounds for longer than `for`, without a sample since
    not_numbers  values of its measure that were text, booleans or times
    undefined    samples without a value, because what is computed is not a number there, as by a division by zero
    late         rows that came later than `lateness`
    flapping     alerts that fire, and fired so often that they resolve later
    suppressed   alerts that were not told, because the rule was flooding
    """

    judged: int = 0
    too_wide: int = 0
    waiting: int = 0
    not_numbers: int = 0
    undefined: int = 0
    suppressed: int = 0
    late: int = 0
    flapping: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.judged + other.judged,
            self.too_wide + other.too_wide,
            self.waiting + other.waiting,
            self.not_numbers + other.not_numbers,
            self.undefined + other.undefined,
            self.suppressed + other.suppressed,
            self.late + other.late,
            self.flapping + other.flapping,
        )


def table_warnings(rule: Rule, tables: Collection[str]) -> list[RuleWarning]:
    """Warnings about the rule's table; `tables` are those of the configuration and of the store."""
    if rule.table in tables:
        return []
    text = f"there is no table {rule.table}; {_instead(rule.table, tables, 'there is', 'there are')}"
    return [RuleWarning(Kind.TABLE, None, text)]


def warnings_of(rule: Rule, seen: Seen, work: Work = Work()) -> list[RuleWarning]:  # frozen
    """All other warnings."""
    found = (
        *(*_about_measures(rule, seen, work), *_about_where(rule, seen)),
        *(*_about_zones(rule, seen), *_about_templates(rule, seen), *_about_work(work)),
    )
    return [RuleWarning(kind, seen.table, text) for kind, text in found]


def _about_measures(rule: Rule, seen: Seen, work: Work) -> Iterator[tuple[Kind, str]]:
    instead = KINDS[str(rule.condition.facts[0])].instead
    only = f"only numbers are judged{instead and f': {instead}'}"
    for measure in rule.measures:
        yield from _about_measure(measure, seen, work, only)


def _about_measure(measure: str, seen: Seen, work: Work, only: str) -> Iterator[tuple[Kind, str]]:
    columns = {name: kind for name, kind in seen.types.items() if not name.startswith(_SINGLE)}
    single = {kind for name, kind in seen.types.items() if name.startswith(_SINGLE)}
    kinds = ({columns[measure]} if measure in columns else set()) | (single if measure in seen.names else set())
    if not kinds:
        names = {*columns, *(seen.names if single else ())}
        instead = _instead(measure, names, "it has", "it has")
        yield Kind.MEASURE, f"no row of {seen.table} has had the measure {measure}; {instead}"
    elif not kinds & set(_NUMBERS):
        what = " and ".join(sorted(kinds))
        yield Kind.TYPE, f"the measure {measure} of {seen.table} is {what}, and {only}"
    elif work.not_numbers:
        text = f"values of the measure {measure} of {seen.table} that were not numbers: {work.not_numbers}"
        yield Kind.TYPE, f"{text}; {only}"


def _about_where(rule: Rule, seen: Seen) -> Iterator[tuple[Kind, str]]:
    for name, wanted in rule.where.items():
        if name in (ACCOUNT, ZONE_NAME):
            continue
        if name not in seen.values:
            instead = _instead(name, seen.values, "it has", "it has")
            yield Kind.WHERE, f"where: no series of {seen.table} has the dimension {name}; {instead}"
            continue
        values = seen.values[name]
        if isinstance(wanted, Pattern):
            if values is not None and not any(value in wanted for value in values):
                yield Kind.WHERE, f"where: no {name} in {seen.table} matches {wanted.text}"
            continue
        missing = sorted(wanted - values) if values is not None else []
        if values is not None and missing:
            instead = _instead(missing[0], values, "it has", "it has")
            yield Kind.WHERE, f"where: {name} has never been {' or '.join(missing)} in {seen.table}; {instead}"


def _about_zones(rule: Rule, seen: Seen) -> Iterator[tuple[Kind, str]]:
    kind = str(rule.condition.facts[0])
    if kind in _OF_ZONES and not seen.has_zones:
        yield Kind.ZONE, f"no series of {seen.table} is in a zone, and rules of the kind {kind} judge no others"


def _about_templates(rule: Rule, seen: Seen) -> Iterator[tuple[Kind, str]]:
    kind = KINDS[str(rule.condition.facts[0])]
    of_kind = (*ALL_NAMES, *kind.numbers, *kind.names)
    known = {*of_kind, *rule.labels, SEVERITY, *seen.values}
    labels = {name: parse_template(text) for name, text in rule.labels.items()}
    for name, template in (*labels.items(), *rule.annotations.items()):
        for part in template.parts:
            if isinstance(part, Placeholder) and part.name not in known:
                instead = _instead(part.name, known, "there is", "there are")
                yield Kind.TEMPLATE, f"{name}: {{{part.name}}} is nothing in {seen.table}; {instead}"


def _about_work(work: Work) -> Iterator[tuple[Kind, str]]:
    if work.too_wide > work.judged:
        text = (
            f"{work.too_wide} of {work.too_wide + work.judged} samples came so long after the one before that they "
            f"were not judged: more than {LONGEST_GAP} times `per`; make `per` at least a tenth of the interval"
        )
        yield Kind.PER, text
    if work.waiting:
        text = (
            f"{work.waiting} of its signals were beyond the bounds at their last sample, longer ago than `for`, "
            "which is judged only at a sample: a sensor that reports only changes has to repeat itself, or the rule "
            "must not have a `for`"
        )
        yield Kind.FOR, text


def _instead(name: str, known: Collection[str], one: str, several: str) -> str:
    """The nearest existing name, or some of the names."""
    near = nearest(name, known, ratio=0.5)
    if near:
        return f"did you mean {near}?"
    if not known:
        return "it has none"
    shown = sorted(known)[:MOST_NAMED]
    more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    return f"{one if len(known) == 1 else several} {', '.join(shown)}{more}"
