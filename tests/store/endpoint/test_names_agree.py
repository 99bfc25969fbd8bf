"""The endpoint and the configuration accept the same names."""

from collections.abc import Callable

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pipeline.config.names import check_dimension, check_measure
from store.endpoint.names import dimension_name_fault, measure_name_fault

NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text('a:"\x00\u2028 _', max_size=4),
    st.sampled_from(["time", "measure_name", "measure_value", "measure_value::double", "ts_x", "ts_non_existent_col"]),
    st.integers(55, 65).map(lambda length: "x" * length),
    st.integers(250, 260).map(lambda length: "x" * length),
)


@pytest.mark.parametrize(
    ("check", "fault"), [(check_dimension, dimension_name_fault), (check_measure, measure_name_fault)]
)
@given(name=NAMES)
def test_configuration_and_endpoint_allow_the_same_names(
    check: Callable[[str], str], fault: Callable[[str], str | None], name: str
) -> None:
    try:
        check(name)
        is_good = True
    except ValueError:
        is_good = False

    assert (fault(name) is None) == is_good
