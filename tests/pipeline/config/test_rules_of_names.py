from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import names, templates


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), unique=True, min_size=1, max_size=6))
def test_a_templates_dimensions_are_its_braced_levels_in_order(dimensions: list[str]) -> None:
    template = "/".join(f"{{{name}}}/x/+" for name in dimensions) + "/#"

    assert templates.topic_dimensions(template) == tuple(dimensions)


def test_the_template_of_everything_names_no_dimension() -> None:
    assert templates.topic_dimensions("#") == ()


def test_a_bare_zone_is_the_template_of_one_dimension() -> None:
    assert templates.zone_template("zone") == "{zone}"
    assert templates.zone_template("{a}/{b}") == "{a}/{b}"
    assert templates.zone_dimensions("{a}-x/{b}") == ("a", "b")


@pytest.mark.parametrize(("length", "is_good"), [(59, True), (60, True), (61, False)])
def test_a_dimensions_name_has_at_most_60_bytes(length: int, is_good: bool) -> None:
    if is_good:
        assert names.check_dimension("x" * length)
    else:
        with pytest.raises(ValueError, match="1-60 bytes"):
            names.check_dimension("x" * length)


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\u2028b", "time", "measure_value", "ts_a", "measure_value::x", ""])
def test_names_that_timestream_reserves_are_refused_for_both(name: str) -> None:
    for check in (names.check_dimension, names.check_measure):
        with pytest.raises(ValueError, match=r"reserved|holds|bytes"):
            check(name)


def test_a_quote_is_refused_in_dimensions_only() -> None:
    assert names.check_measure('a"b') == 'a"b'
    with pytest.raises(ValueError, match="holds"):
        names.check_dimension('a"b')


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "a b", "ä", "x" * 65])
def test_an_account_cannot_leave_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="is not an account name"):
        names.check_account(name)
