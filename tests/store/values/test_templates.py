"""`{name}` in zones, topics and annotations has one grammar."""

from __future__ import annotations

import pytest

from store.values.templates import Place, fill, is_numbered_level, level_name, names_in, parse


def test_a_template_is_its_texts_and_places_in_order() -> None:
    assert parse("{a}-{{x}}/{b c}") == (Place("a", 1), "-", "{", "x", "}", "/", Place("b c", 11))
    assert names_in("{a}-{{x}}/{b c}") == ("a", "b c")
    assert parse("") == ()


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{", "lone { at column 1"),
        ("a}", "lone } at column 2"),
        ("a{}", "empty placeholder at column 2"),
        ("{ }", "empty"),
    ],
)
def test_a_lone_brace_is_reported_with_its_column(template: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(template)


def test_a_template_is_filled_in_unless_a_value_is_missing() -> None:
    assert fill("{a}/{{{b}}}", {"a": "1", "b": "2", "c": "3"}) == "1/{2}"
    assert fill("{a}/{b}", {"a": "1"}) is None


@pytest.mark.parametrize(
    ("level", "name"), [("{a}", "a"), ("{}", ""), ("a", None), ("+", None), ("{a}b", None), ("{{", None), ("{", None)]
)
def test_a_level_names_a_dimension_only_as_a_whole(level: str, name: str | None) -> None:
    assert level_name(level) == name


@pytest.mark.parametrize(
    ("name", "is_one"), [("topic_1", True), ("topic_12", True), ("topic_0", False), ("topic", False)]
)
def test_the_levels_of_a_topic_are_numbered_from_1(name: str, is_one: bool) -> None:
    assert is_numbered_level(name) == is_one
