"""Every value is read as it came, to the bit: from RAM, sealed chunks, flushed and merged files, by every reader."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from store.catalog.catalog import TableSettings
from store.magnetic.encoding import encodings
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from store.table import compaction
from tests.support.examples import examples
from tests.support.lone_store import MAGNETIC, PARTITION, LoneStore, open_store
from tests.support.tables import evict_sealed

T0 = 1_795_000_000_000_000_000
TABLE = TableId("farm", "d", "t")
NASTY = (
    *(0.0, -0.0, 0.1 + 0.2, 0.3, 21.4, 1e308, -1e308, 5e-324, -2.2e-308, 1.7976931348623157e308),
    *(float("inf"), float("-inf"), float(2**53 + 2), -float(2**63), 1e-7, 123456.789, 1 / 3, 100.25),
)
NANS = tuple(struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in (0x7FF8000000000000, 0x7FF8000000000123))
TYPES = {
    "decimal": MeasureType.DOUBLE,
    "nasty": MeasureType.DOUBLE,
    "count": MeasureType.BIGINT,
    "is_on": MeasureType.BOOLEAN,
    "words": MeasureType.VARCHAR,
    "at": MeasureType.TIMESTAMP,
}
VALUES = {
    "decimal": st.integers(-5000, 5000).map(lambda tenths: tenths / 10),
    "nasty": st.sampled_from((*NASTY, *NANS)) | st.floats(),
    "count": st.sampled_from((0, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))) | st.integers(-9, 9),
    "is_on": st.booleans(),
    "words": st.sampled_from(("", "on", "NaN", "ü\U0001f321", "a\0b")) | st.text(st.characters(codec="utf-8")),
    "at": st.sampled_from((0, -1, T0, T0 + 1, 2**62)),
}
DIMENSIONS = (
    (),
    (("a", "x"),),
    (("a", "x"), ("b", "y")),
    (("b", "y"),),
    (("a", "ü"), ("b", "")),
    (("a", "x'y"), ("b", "y")),
)
ROW = st.tuples(
    st.integers(0, len(DIMENSIONS) - 1),
    st.integers(0, 40),
    st.fixed_dictionaries({name: st.none() | of for name, of in VALUES.items()}),
)
FRAMES = st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=8)


def bits_of(value: object) -> object:
    """Floats by their bits: -0.0 is not 0.0, and each NaN is itself."""
    return struct.unpack("<Q", struct.pack("<d", value))[0] if isinstance(value, float) else value


def batch(store: LoneStore, offset: int, rows: list[Any]) -> RecordBatch:
    """A frame; its rows have times of their own, so that none supersedes another unless their numbers are equal."""
    index = store.registry.of(TABLE)
    measures = {}
    for name, kind in TYPES.items():
        values = [row[2][name] for row in rows]
        plain = pa.int64() if kind is MeasureType.TIMESTAMP else kind.arrow
        measures[name] = pa.array(values, plain, from_pandas=False).view(kind.arrow)
    return RecordBatch(
        index,
        PARTITION,
        np.array([index.id_of(SeriesKey(DIMENSIONS[row[0]], "m")) for row in rows], np.int32),
        np.array([T0 + row[1] * 7_000_000_001 for row in rows], np.int64),
        np.ones(len(rows), np.int64),
        np.full(len(rows), offset, np.int64),
        np.full(len(rows), T0, np.int64),
        measures,
        TYPES,
    )


def rows_of(store: LoneStore) -> list[tuple[object, ...]]:
    """All rows, each value by its bits."""
    with store.snapshot("farm") as snapshot:
        schema = snapshot.schema("d", "t")
        listed = ", ".join(column.quoted for column in sorted(schema.columns, key=lambda column: column.name))
        found = snapshot.execute(f"SELECT {listed} FROM {snapshot.source(TABLE)}")
    rows = zip(*(column.to_pylist() for column in found.columns), strict=True)
    return sorted((tuple(map(bits_of, row)) for row in rows), key=repr)


@examples(20)
@given(FRAMES)
def test_rows_are_equal_in_each_form_that_they_take(frames: list[list[Any]]) -> None:
    """Also where some are superseded, and where a merge is sorted by ranges of series."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(compaction, "SORT_ROWS", 5)
        store = open_store(
            Path(folder), templates={("d", "t"): TableSettings(from_config=True)}, clock_ns=lambda: T0 + 10**12
        )
        for offset, rows in enumerate(frames):
            store.apply(batch(store, offset, rows))
            store.advance(PARTITION, offset)
            if offset % 3 == 2:
                store.flush()
        table = store.to_read(TABLE)
        came = rows_of(store)
        store.flush()
        assert rows_of(store) == came
        table.close_chunk(0)
        table.seal()
        assert rows_of(store) == came
        assert table.rewrite(table.files()[:2])
        assert rows_of(store) == came
        evict_sealed([table])
        assert rows_of(store) == came
        assert table.rewrite(table.files())
        assert rows_of(store) == came
        store.close()
        is_sorted = len(came) == sum(map(len, frames))  # rows of superseded times are at the end
        _check_other_readers(Path(folder), len(came), is_sorted=is_sorted)


def _check_other_readers(folder: Path, count: int, *, is_sorted: bool) -> None:
    """The only file is sorted by series and time, and DuckDB and Arrow find the same doubles in it."""
    (path,) = (path for path in (folder / MAGNETIC).rglob("date=*/*.parquet") if path.name in _live(folder))
    table = pq.ParquetFile(path).read()
    key = [table[name].to_pylist() for name in table.column_names if name in {"a", "b", "time"}]
    order = [tuple((value is None, value or "") for value in row) for row in zip(*key, strict=True)]
    assert len(order) == count
    assert not is_sorted or order == sorted(order)
    with duckdb.connect() as connection:
        by_duckdb = connection.sql(f"SELECT decimal, nasty FROM read_parquet('{path}')").to_arrow_table()
    for name in ("decimal", "nasty"):
        by_arrow = sorted(map(repr, map(bits_of, table[name].to_pylist())))
        assert by_arrow == sorted(map(repr, map(bits_of, by_duckdb[name].to_pylist())))


def _live(folder: Path) -> set[str]:
    (log,) = (folder / MAGNETIC).rglob("_delta_log")
    return {Path(uri).name for uri in DeltaTable(log.parent).file_uris()}


def test_a_column_has_a_dictionary_only_if_its_values_repeat() -> None:
    rows = 1000
    chosen = encodings(
        pa.table(
            {
                "time": pa.array(np.arange(rows)).view(pa.timestamp("us", "UTC")),
                "_sequence": np.zeros(rows, np.int64),
                "version": np.ones(rows, np.int64),
                "state": np.arange(rows) % 3,
                "decimal": np.arange(rows) % 500 / 10,
                "noise": np.random.default_rng(1).random(rows),
                "count": np.arange(rows),
                "on": np.arange(rows) % 2 == 0,
                "text": [str(number) for number in range(rows)],
            }
        )
    )

    assert chosen.dictionary == ["state", "decimal", "text"]
    assert chosen.others == {
        **dict.fromkeys(("time", "_sequence", "version", "count"), "DELTA_BINARY_PACKED"),
        **dict.fromkeys(("noise", "on"), "PLAIN"),
    }
