"""Unit-test files → tests, and every problem of a file. Pure: text in, tests out.

rule_files: [greenhouse.yaml]
tests:
  - name: heat for five minutes
    interval: 1m
    series:
      - {dimensions: {sensor: s-1}, zone: gh-1/north, values: {temperature: 30x3 36x7 30}}
    expect:
      - {at: 9m, rule: greenhouse-climate/TooHot, status: firing, dimensions: {sensor: s-1}, value: 36}
      - {at: 12m, rule: greenhouse-climate/TooHot, status: resolved}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from rules.definition.document import Problems, compose, read_items, read_pairs, read_parsed, read_text
from rules.definition.keys import DURATION, NUMBER, SPAN, TEXT, Form, Key, Section, choice, schema_of
from rules.errors import Problem
from rules.unit_tests.notation import read_values
from store.record import DEFAULT_ACCOUNT, SeriesKey
from store.values.durations import duration_ns
from store.values.times import parse_rfc3339
from store.values.yaml_text import Node, SequenceNode

START = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Series:
    """One series: a value of each measure at each interval from the start, NaN for none."""

    key: SeriesKey
    zone: str | None
    values: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Expected:
    """An alert that is expected to fire or resolve. What is None is not compared; dimensions may be fewer.

    receivers   who hears of it, sorted
    """

    line: int
    at_ns: int
    rule: str
    status: str
    value: float | None = None
    severity: str | None = None
    zone: str | None = None
    dimensions: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    receivers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class UnitTest:
    """One test. table: None: that of all rules."""

    name: str
    account: str
    table: str | None
    start_ns: int
    interval_ns: int
    series: tuple[Series, ...]
    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class TestFile:
    """The tests of one file, and the rule files that they are about, relative to it."""

    __test__ = False  # pytest collects nothing of it

    file: str
    rule_files: tuple[str, ...]
    tests: tuple[UnitTest, ...]


def parse_tests(text: str, file: str) -> tuple[TestFile, list[Problem]]:
    """The tests in `text`, and all problems."""
    problems = Problems(file)
    root = compose(text, problems)
    if root is None:
        return TestFile(file, (), ()), problems.found
    section = Section(root, "the file", FILE_KEYS, problems)
    tests = [_test(item, problems) for item in section.get("tests", ())]
    rule_files = tuple(section.get("rule_files", ()))
    return TestFile(file, rule_files, tuple(test for test in tests if test is not None)), problems.found


def _test(node: Node, problems: Problems) -> UnitTest | None:
    section = Section(node, "a test", TEST_KEYS, problems)
    series = [_series(item, problems) for item in section.get("series", ())]
    expected = [_expected(item, problems) for item in section.get("expect", ())]
    if not section.is_whole:
        return None
    return UnitTest(
        section.get("name"),
        section.get("account", DEFAULT_ACCOUNT),
        section.get("table"),
        section.get("start", parse_rfc3339(START)),
        duration_ns(section.get("interval", timedelta(minutes=1))),
        tuple(one for one in series if one is not None),
        tuple(one for one in expected if one is not None),
    )


def _series(node: Node, problems: Problems) -> Series | None:
    section = Section(node, "a series", SERIES_KEYS, problems)
    if not section.is_whole:
        return None
    dimensions = tuple(sorted(section.get("dimensions", {}).items()))
    return Series(SeriesKey(dimensions, section.get("measure_name", "")), section.get("zone"), section.get("values"))


def _expected(node: Node, problems: Problems) -> Expected | None:
    section = Section(node, "an expected alert", EXPECTED_KEYS, problems)
    if not section.is_whole:
        return None
    names = ("value", "severity", "zone", "dimensions", "annotations", "receivers")
    given: dict[str, Any] = {name: section.get(name) for name in names if name in section}
    at_ns = duration_ns(section.get("at"))
    return Expected(node.start_mark.line + 1, at_ns, section.get("rule"), section.get("status"), **given)


def _read_texts(node: Node, what: str, problems: Problems) -> dict[str, str] | None:
    pairs = read_pairs(node, what, problems)
    texts = {name.value: read_text(value, f"`{name.value}` of {what}", problems) for name, value in pairs}
    return {name: text for name, text in texts.items() if text is not None}


def _read_values(node: Node, what: str, problems: Problems) -> dict[str, list[float]] | None:
    found = {}
    for name, text in (_read_texts(node, what, problems) or {}).items():
        try:
            found[name] = read_values(text)
        except ValueError as error:
            problems.add(node, f"`{name}` of {what} {error}")
    return found


def _read_start(node: Node, what: str, problems: Problems) -> int | None:
    return read_parsed(node, what, problems, parse_rfc3339)


def _read_list(node: Node, what: str, problems: Problems) -> Sequence[Node]:
    """A list, which may be empty."""
    return () if isinstance(node, SequenceNode) and not node.value else read_items(node, what, problems)


def _read_files(node: Node, what: str, problems: Problems) -> list[str]:
    texts = (read_text(item, what, problems) for item in read_items(node, what, problems))
    return [text for text in texts if text is not None]


def _read_names(node: Node, what: str, problems: Problems) -> tuple[str, ...]:
    texts = (read_text(item, what, problems) for item in _read_list(node, what, problems))
    return tuple(sorted(text for text in texts if text is not None))


def _list_of(keys: Sequence[Key]) -> Form:
    return Form(_read_list, {"type": "array", "items": schema_of(keys)})


_TEXTS = Form(_read_texts, {"type": "object", "additionalProperties": TEXT.schema})
SERIES_KEYS = (
    Key("dimensions", _TEXTS, "dimension: value"),
    Key("zone", TEXT, "the zone"),
    Key("measure_name", TEXT, "the measure name of its records"),
    Key("values", Form(_read_values, _TEXTS.schema), "measure: values, as 20 21.5 _ 20+2x3", is_needed=True),
)
EXPECTED_KEYS = (
    Key("at", DURATION, "how long after the start", is_needed=True),
    Key("rule", TEXT, "group/alert", is_needed=True),
    Key("status", choice("firing", "resolved"), "what happens", is_needed=True),
    Key("value", NUMBER, "its value, to nine digits"),
    Key("severity", TEXT, "its label `severity`"),
    Key("zone", TEXT, "its zone"),
    Key("dimensions", _TEXTS, "some of its dimensions"),
    Key("annotations", _TEXTS, "some of its annotations"),
    Key(
        "receivers",
        Form(_read_names, {"type": "array", "items": {"type": "string"}}),
        "all who hear of it, by the routes of the configuration",
    ),
)
TEST_KEYS = (
    Key("name", TEXT, "what the test says", is_needed=True),
    Key("table", TEXT, "database.table of the series; that of the rules if these have one"),
    Key("account", TEXT, "the account of the series"),
    Key("start", Form(_read_start, {"type": "string", "format": "date-time"}), f"the time of the first value; {START}"),
    Key("interval", SPAN, "the time between two values; 1m by default"),
    Key("series", _list_of(SERIES_KEYS), "what comes in", is_needed=True),
    Key("expect", _list_of(EXPECTED_KEYS), "every alert that fires or resolves; none if empty", is_needed=True),
)
FILE_KEYS = (
    Key(
        "rule_files",
        Form(_read_files, {"type": "array", "items": {"type": "string"}, "minItems": 1}),
        "relative to this file",
        is_needed=True,
    ),
    Key("tests", _list_of(TEST_KEYS), "the tests", is_needed=True),
)
