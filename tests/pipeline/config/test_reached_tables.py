"""A table to which no message comes is refused or warned of; a time field that no flattened payload has is refused."""

from typing import Any

import pytest

from pipeline.config import Config
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


def configured(**hidden: Any) -> Config:
    tables = [{"name": "default.readings", "topics": "#"}, {"name": "farm.plan", "topics": "plan/{zone}", **hidden}]
    return Config.model_validate({"tables": tables})


@pytest.mark.parametrize(
    "of_payloads",
    [
        {"time": {"field": "ts"}},
        {"each": "values"},
        {"arrays": "rows"},
        {"ignore": ["x"]},
        {"only": ["x"]},
        {"measures": {"t": {"as": "temperature"}}},
    ],
)
def test_a_table_for_messages_to_which_none_comes_is_refused(of_payloads: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r'"plan/\{zone\}" never gets a message: "#" of default.readings comes before'):
        configured(**of_payloads)


@pytest.mark.parametrize(
    "of_rows", [{}, {"zone": "zone"}, {"retention": {"memory": "2h"}}, {"measures": {"t": {"unit": "celsius"}}}]
)
def test_a_table_to_which_no_message_comes_and_that_may_be_for_write_records_is_warned_of(
    of_rows: dict[str, Any],
) -> None:
    (warning,) = configured(**of_rows).warnings

    assert warning.startswith("farm.plan gets rows by WriteRecords alone: of its topics, plan/{zone}, no message comes")
    assert '"#" of default.readings' in warning
