"""Which filters cover others, and which have MQTT topics in common, held against all MQTT topics of a small world."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.mqtt_filters import covers, have_common, matches, overlapping, without_covered

LEVELS = ("a", "b", "$s", "")
TOPICS = ["/".join(levels) for depth in (1, 2, 3, 4) for levels in itertools.product(LEVELS, repeat=depth)]
parts = st.lists(st.sampled_from([*LEVELS, "+"]), min_size=1, max_size=3)
filters = st.one_of(parts.map("/".join), parts.map(lambda levels: "/".join([*levels, "#"])), st.just("#"))


def by_the_standard(topic_filter: str, topic: str) -> bool:
    """4.7, level by level and by recursion."""
    if topic.startswith("$") and topic_filter[0:1] in {"+", "#"}:
        return False

    def rest(wanted: list[str], given: list[str]) -> bool:
        if not wanted:
            return not given
        if wanted[0] == "#":
            return True
        if not given:
            return False
        return wanted[0] in {"+", given[0]} and (rest(wanted[1:], given[1:]))

    wanted, given = topic_filter.split("/"), topic.split("/")
    return rest(wanted, given) or (wanted[-1] == "#" and rest(wanted[:-1], given))


def all_of(topic_filter: str) -> set[str]:
    return {topic for topic in TOPICS if by_the_standard(topic_filter, topic)}


@given(one=filters)
def test_a_filter_matches_what_the_standard_says(one: str) -> None:
    assert {topic for topic in TOPICS if matches(one, topic)} == all_of(one)


@given(one=filters, other=filters)
def test_a_filter_that_covers_another_matches_all_that_it_matches(one: str, other: str) -> None:
    if covers(one, other):
        assert all_of(one) >= all_of(other)
    elif "#" not in other and other[0:1] != "+":
        assert not all_of(one) >= all_of(other) or not all_of(other)


@given(one=filters, other=filters)
def test_two_filters_have_in_common_what_both_match(one: str, other: str) -> None:
    assert have_common(one, other) == bool(all_of(one) & all_of(other))


@given(given=st.lists(filters, min_size=1, max_size=4, unique=True))
def test_without_the_covered_ones_the_same_is_matched(given: list[str]) -> None:
    left = without_covered(given)

    assert set().union(*map(all_of, left)) == set().union(*map(all_of, given))


@pytest.mark.parametrize(
    ("given", "left", "pairs"),
    [
        (("fac/#", "fac/+", "fac/a"), ("fac/#",), []),
        (("plant/line1/+", "plant/#"), ("plant/#",), []),
        (("a/+", "+/b"), ("a/+", "+/b"), [("a/+", "+/b")]),
        (("#", "$SYS/#"), ("#", "$SYS/#"), []),
        (("a", "a/#"), ("a/#",), []),
        (("a/+/c", "a/b/#", "d"), ("a/+/c", "a/b/#", "d"), [("a/+/c", "a/b/#")]),
    ],
)
def test_examples(given: tuple[str, ...], left: tuple[str, ...], pairs: list[tuple[str, str]]) -> None:
    assert without_covered(given) == left
    assert overlapping(left) == pairs
