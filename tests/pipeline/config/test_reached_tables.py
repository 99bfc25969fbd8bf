"""A table of which no message would ever come is refused, as is a time field that no flattened payload has."""

import pytest

from pipeline.config.tables import Table, TimeField
from pipeline.config.templates import takes_all_of


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("#", "a/{b}"),
        ("#", "#"),
        ("a/#", "a/b/c"),
        ("a/#", "a"),
        ("a/{x}", "a/{y}"),
        ("a/+", "a/b"),
        ("+/b", "a/b"),
        ("a/#", "a/+/#"),
    ],
)
def test_a_template_takes_all_of_a_narrower_one(first: str, other: str) -> None:
    assert takes_all_of(first, other)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("a/b", "a/+"),
        ("a/+", "a/#"),
        ("a/+", "a/b/c"),
        ("a/+/c", "a/b"),
        ("#", "$x"),
        ("+/x", "$SYS/x"),
        ("a", "A"),
    ],
)
def test_a_template_leaves_what_another_takes_beside_it(first: str, other: str) -> None:
    assert not takes_all_of(first, other)


def test_a_time_field_with_a_dot_is_told_the_name_it_has_once_flattened() -> None:
    with pytest.raises(ValueError, match=r'"a\.ts" has a dot: .* as in a_ts'):
        TimeField(field="a.ts")


def test_the_array_of_each_with_a_dot_is_told_the_name_it_has_once_flattened() -> None:
    with pytest.raises(ValueError, match=r'"data\.points" has a dot: .* as in data_points'):
        Table(name="aaa.one", topics="a/{d}", each="data.points")
