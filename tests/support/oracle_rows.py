"""Rows that property tests write, and how the stored ones are compared with those of the oracle."""

from __future__ import annotations

import json
from collections.abc import Iterable

import hypothesis.strategies as st

from store.reading.past import AsOf
from store.reading.snapshot import Snapshot
from store.record import TableId
from store.testing import Row

T0 = 1_795_000_000_000_000_000
DAY_NS = 86_400_000_000_000

_TIMES = st.one_of(
    st.integers(0, 6), st.integers(0, 3).map(lambda n: n * 1_000), st.integers(-2, 2).map(lambda n: n * DAY_NS + 5)
)
_DIMENSIONS = st.sampled_from([(("s", "1"),), (("s", "2"),), (("Zone", "a b"), ("s", "1")), (("S", "1"),), ()])
_VALUES_OF_ONE_MOMENT = st.sampled_from([(("V", 2),), (("V", 3),), (("v", 2.0), ("text", "x")), (("on", False),)])
_VALUES = st.one_of(
    st.tuples(st.tuples(st.just("v"), st.sampled_from([0.0, 1.5, 2.0]))),
    st.sampled_from([(("v", 1.0), ("V", 2)), (("measure_value::double", 1.0),), (("text", "it's"), ("on", True))]),
    _VALUES_OF_ONE_MOMENT,
)
_ROWS = st.builds(
    Row, _DIMENSIONS, _TIMES.map(lambda n: T0 + n), _VALUES, st.integers(1, 3), st.sampled_from(["m", "n"])
)
WRITES = st.tuples(st.just("write"), st.lists(_ROWS, min_size=1, max_size=8), st.booleans())
"""The name of the step, the rows of one frame, and whether they are written by version."""


def stored_rows(
    snapshot: Snapshot, table: TableId, from_ns: int | None, to_ns: int | None, as_of: AsOf | None = None
) -> list[str]:
    """The rows of `table` with times in [from_ns, to_ns), as `plain` text."""
    columns = snapshot.schema(table.database, table.table).columns
    source = snapshot.source(table, time_from_ns=from_ns, time_to_ns=to_ns, as_of=as_of)
    found = snapshot.execute(f"SELECT * FROM {source}").to_pylist()
    dimensions = [column for column in columns if column.kind == "dimension"]
    measures = [column for column in columns if column.kind == "measure"]
    return plain(
        Row(
            tuple((c.name, r[c.physical]) for c in dimensions if r[c.physical] is not None),
            r["time_ns"],
            tuple((c.name, r[c.physical]) for c in measures if r[c.physical] is not None),
            measure_name=r["measure_name"],
        )
        for r in found
    )


def plain(rows: Iterable[Row]) -> list[str]:
    """Rows as sorted text."""
    return sorted(
        json.dumps([sorted(row.dimensions), row.measure_name, row.time_ns, sorted(row.values)]) for row in rows
    )
