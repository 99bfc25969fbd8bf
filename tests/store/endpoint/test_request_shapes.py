"""The fast check of a request's shape finds fault exactly where the one that names all faults does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.endpoint.errors import ShapeViolation
from store.endpoint.shapes import REQUESTS, Flag, ListOf, Number, Shape, Structure, Text, check, violations

ODD = st.sampled_from([None, True, 0, 1.0, "", "x", "x\n", [], {}, 2**63, -(2**63), "a" * 300])


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Values that have the shape, or nearly."""
    match shape:
        case Text():
            fits = st.sampled_from(shape.choices) if shape.choices else st.text("aZ_.-é\n", max_size=shape.low + 2)
        case Number():
            edges = [edge for edge in (shape.low, shape.high) if edge is not None] or [0, 2**63 - 1]
            fits = st.sampled_from([near for edge in edges for near in (edge - 1, edge, edge + 1)])
        case Flag():
            fits = st.booleans()
        case ListOf():
            fits = st.lists(values(shape.member), min_size=min(shape.low, 1), max_size=2)
        case Structure():
            required = {name: values(member) for name, member in shape.required.items()}
            optional = {name: values(member) for name, member in shape.optional.items()}
            fits = st.fixed_dictionaries(required, optional=optional)
    return st.one_of(fits, fits, fits, fits, fits, ODD)


@pytest.mark.parametrize("operation", ["CreateTable", "WriteRecords", "Query", "ListTables"])
@given(data=st.data())
def test_a_request_is_accepted_exactly_if_no_fault_is_found(operation: str, data: st.DataObject) -> None:
    request = data.draw(values(REQUESTS[operation]))

    if any(violations(REQUESTS[operation], request, ())):
        with pytest.raises(ShapeViolation):
            check(operation, request)
    else:
        check(operation, request)
