"""Unit tests of rules: their notation, their verdict, and the schema that editors check them with."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.operations.cli.group import run
from rules import RuleFileError
from rules.schema import rule_schema, unit_test_schema
from rules.unit_tests import load_tests, parse_tests, run_test
from rules.unit_tests.notation import read_values

LIBRARY = Path(__file__).parents[2] / "rules" / "library"
RULES = """
groups:
  - name: g
    table: a.b
    rules: [{alert: Hot, measure: t, range: {warning: {max: 30}, critical: {max: 40}}, annotations: {s: "{value}"}}]
"""
TEST = """
rule_files: [rules.yaml]
tests:
  - name: hot
    interval: 10s
    series: [{dimensions: {sensor: s1}, zone: north, values: {t: 20 31 41 20}}]
    expect:
      - {at: 10s, rule: g/Hot, status: firing, severity: warning, value: 31, zone: north, dimensions: {sensor: s1}}
      - {at: 20s, rule: g/Hot, status: firing, severity: critical, annotations: {s: "41"}}
      - {at: 30s, rule: g/Hot, status: resolved}
"""


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("20 21.5 _ 22", [20, 21.5, None, 22]),
        ("20x3", [20, 20, 20, 20]),
        ("20+2x3 -1-2x1", [20, 22, 24, 26, -1, -3]),
        ("_x3 1e3", [None, None, None, 1000]),
        ("", []),
    ],
)
def test_the_notation_is_that_of_prometheus(text: str, values: list[float | None]) -> None:
    assert [None if math.isnan(value) else value for value in read_values(text)] == values


@pytest.mark.parametrize("text", ["20x", "x3", "20+x3", "hot", "1e999999x", "1x9999999"])
def test_what_is_not_in_the_notation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has "):
        read_values(text)


def written(folder: Path, test: str = TEST) -> Path:
    (folder / "rules.yaml").write_text(RULES)
    file = folder / "test.yaml"
    file.write_text(test)
    return file


def test_a_test_passes_if_exactly_what_is_expected_comes(tmp_path: Path) -> None:
    ((tests, rules),) = load_tests([written(tmp_path)])

    assert run_test(tests.tests[0], rules) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("value: 31", "value: 31.1", ["-", "+"]),
        ("zone: north, d", "zone: south, d", ["-", "+"]),
        ("sensor: s1}}\n      - {at: 20s", "sensor: s2}}\n      - {at: 20s", ["-", "+"]),
        ("severity: critical", "severity: warning", ["-", "+"]),
        ('s: "41"', 's: "42"', ["-", "+"]),
        ("at: 30s", "at: 31s", ["+", "-"]),
        ("status: resolved", "status: firing", ["-", "+"]),
        ("      - {at: 30s, rule: g/Hot, status: resolved}\n", "", ["+"]),
        ("41 20", "41 41", ["-"]),
    ],
)
def test_every_difference_is_told(tmp_path: Path, old: str, new: str, told: list[str]) -> None:
    assert old in TEST
    ((tests, rules),) = load_tests([written(tmp_path, TEST.replace(old, new))])

    assert [difference.sign for difference in run_test(tests.tests[0], rules)] == told


def test_the_command_prints_the_difference_and_says_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = run(["rules", "test", str(written(tmp_path))])
    bad = run(["rules", "test", str(written(tmp_path, TEST.replace("at: 10s", "at: 11s")))])

    told = capsys.readouterr().out
    assert (good, bad) == (0, 1)
    assert "    + at 10s: g/Hot firing value=31 severity=warning zone=north sensor=s1 s=31\n" in told
    assert "    - at 11s: g/Hot firing value=31 severity=warning zone=north sensor=s1\n" in told


CONFIG = """
receivers: [{name: ops, webhook: {url: "https://a.example/"}}, {name: on-call, webhook: {url: "https://b.example/"}}]
routes:
  - {receiver: ops, continue: true}
  - {receiver: on-call, matchers: ['severity="critical"']}
"""


@pytest.mark.parametrize(("heard_by", "differs"), [("[on-call, ops]", False), ("[ops]", True), ("[]", True)])
def test_who_hears_of_an_alert_is_compared(
    tmp_path: Path, heard_by: str, differs: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "streamgauge.yaml").write_text(CONFIG)
    test = written(tmp_path, TEST.replace("severity: critical", f"severity: critical, receivers: {heard_by}"))

    code = run(["rules", "test", str(test), "--config", str(tmp_path / "streamgauge.yaml")])

    told = capsys.readouterr().out
    assert code == int(differs)
    assert ("severity=critical zone=north sensor=s1 s=41 receivers=on-call,ops\n" in told) is differs
    assert ("receivers=nobody" in told) is (heard_by == "[]")


def test_who_hears_of_an_alert_is_not_known_without_routes(tmp_path: Path) -> None:
    test = written(tmp_path, TEST.replace("severity: critical", "severity: critical, receivers: [ops]"))
    ((tests, rules),) = load_tests([test])

    with pytest.raises(ValueError, match="the test says who hears of an alert: that takes a configuration"):
        run_test(tests.tests[0], rules)


def test_problems_of_a_test_file_are_told_with_their_lines(tmp_path: Path) -> None:
    wrong = TEST.replace("status: resolved", "status: over").replace("20 31", "20 hot").replace("10s\n", "fast\n")

    with pytest.raises(RuleFileError) as caught:
        load_tests([written(tmp_path, wrong)])

    assert [(problem.line, problem.message.split(",")[0]) for problem in caught.value.problems] == [
        (5, '`interval` of a test: "fast" is not a duration; write a whole number and one of ms s m h d w'),
        (6, "`t` of `values` of a series has 'hot'"),
        (10, "`status` of an expected alert must be firing or resolved"),
    ]


def test_a_test_of_rules_with_several_tables_names_its_own() -> None:
    tests, _ = parse_tests(TEST, "t.yaml")
    from rules.files.parse import parse_rules
    from rules.rule import RuleSet

    rules, _ = parse_rules(RULES + RULES.replace("groups:", "").replace("g\n", "h\n").replace("a.b", "a.c"), "r.yaml")

    with pytest.raises(ValueError, match=r"the rules have the tables a\.b, a\.c"):
        run_test(tests.tests[0], RuleSet(tuple(rules)))


@pytest.mark.parametrize("path", sorted((LIBRARY / "tests").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_ready_rules_pass_their_own_tests(path: Path) -> None:
    ((tests, rules),) = load_tests([path])

    assert [(test.name, run_test(test, rules)) for test in tests.tests] == [(test.name, []) for test in tests.tests]


def test_each_ready_rule_file_has_tests_in_which_each_of_its_rules_fires() -> None:
    for path in LIBRARY.glob("*.yaml"):
        ((tests, rules),) = load_tests([LIBRARY / "tests" / path.name])
        fired = {expected.rule for test in tests.tests for expected in test.expected}

        assert {rule.name for rule in rules.rules} - fired == set(), path.name


def plain(path: Path) -> object:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_schema_admits_what_the_parser_reads(path: Path) -> None:
    schema = unit_test_schema() if path.parent.name == "tests" else rule_schema()

    jsonschema.Draft202012Validator(json.loads(json.dumps(schema))).validate(plain(path))


def test_the_schema_refuses_what_the_parser_refuses(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(rule_schema())
    file = tmp_path / "rules.yaml"

    for old, new in (("max: 30", "maximum: 30"), ("table: a.b", "tabel: a.b"), ("warning:", "loud:"), ("30", "'x'")):
        file.write_text(RULES.replace(old, new))
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(plain(file))


SILENCE = """
rule_files: [rules.yaml]
tests:
  - name: silent
    interval: {interval}
    series: [{{dimensions: {{sensor: s1}}, values: {{t: {values}}}}}]
    expect:
"""


@pytest.mark.parametrize(
    ("interval", "values", "expected"),
    [
        ("1m", "20 20 _ 20", [("150s", "firing"), ("3m", "resolved")]),
        ("90s", "20 20", []),  # at the very moment it is heard
        ("91s", "20 20", [("90s", "firing"), ("91s", "resolved")]),
        ("45s", "20 _ _", [("90s", "firing")]),
        ("1d", "20 _", [("96s", "firing")]),  # the first tick after it
    ],
)
def test_silence_is_noticed_between_the_values(
    tmp_path: Path, interval: str, values: str, expected: list[tuple[str, str]]
) -> None:
    lines = (f"      - {{at: {at}, rule: g/Silent, status: {status}}}\n" for at, status in expected)
    file = written(tmp_path, SILENCE.format(interval=interval, values=values) + ("".join(lines) or "      []\n"))
    (tmp_path / "rules.yaml").write_text(
        "groups: [{name: g, table: a.b, rules: [{alert: Silent, missing: {after: 90s}}]}]"
    )

    ((tests, rules),) = load_tests([file])

    assert [str(difference) for difference in run_test(tests.tests[0], rules)] == []
