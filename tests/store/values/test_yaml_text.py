"""YAML with lines, for all files that people write."""

from __future__ import annotations

import pytest

from store.values.nearest import nearest
from store.values.yaml_text import NotYaml, Problem, read


def test_values_come_with_the_lines_they_are_written_in() -> None:
    document = read("a: 1\nb:\n- {c: x}\n- d\n")

    assert document.values == {"a": 1, "b": [{"c": "x"}, "d"]}
    assert [document.line_of(path) for path in (("a",), ("b", 0, "c"), ("b", 1), ("b", 1, "absent"), ("z",))] == [
        *(1, 3, 4, 4),
        None,
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", Problem(("a",), "written twice, first in line 1")),
        ("1: x", Problem(("1",), "the key 1 is not text; put it in quotes")),
        ("a: !!bool x", Problem(("a",), "'x' is no bool; put text in quotes")),
        ("a: &x [*x]", Problem(("a", 0), "an alias to a section that it stands in")),
    ],
)
def test_what_yaml_would_take_silently_is_a_problem_with_its_place(text: str, problem: Problem) -> None:
    document = read(text)

    assert document.problems == [problem]


ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else '1'] * 9)}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", 1),
        ("a: 1\n---\nb: 1", 2),
        ("\0", None),
        ("[" * 100_000, None),
        ("a: \ud800", None),
        ("a: 1\n<<: 3", 2),
        ("a: !foo x", 1),
        (ALIASES, 1),
    ],
)
def test_invalid_yaml_is_reported_with_its_line_if_there_is_one(text: str, line: int | None) -> None:
    with pytest.raises(NotYaml, match="not YAML: ") as refusal:
        read(text)

    assert refusal.value.line == line


def test_a_scalar_may_be_filled_in() -> None:
    document = read("a: $x\nb: 5", lambda text, path: f"{path[0]} was {text}" if "$" in text else None)

    assert document.values == {"a": "a was $x", "b": 5}


@pytest.mark.parametrize(("name", "found"), [("Zonse", "zones"), ("zone", "zones"), ("xyz", None)])
def test_the_nearest_name_is_found_whatever_its_case(name: str, found: str | None) -> None:
    assert nearest(name, ["zones", "sensors"]) == found


def test_a_character_that_yaml_does_not_allow_is_named() -> None:
    with pytest.raises(NotYaml, match=r"found character '\\t' that cannot start any token"):
        read("a: 1\nb:\n\tc: 1\n")
