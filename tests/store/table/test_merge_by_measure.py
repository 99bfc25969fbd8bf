"""Rows of one key from MQTT are merged by measure, whichever tier has the first; WriteRecords replaces the row."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from store.catalog.catalog import TableSettings
from store.record import MeasureType, Outcome, TableId
from store.table.column_work import retype
from store.table.merging import merge
from store.testing import Row, batch_of
from tests.support.lone_store import LoneStore, open_store
from tests.support.tables import evict_sealed, inside

T0 = 1_795_000_000_000_000_000
PARTITION = "0123/readings/0"
TABLE = TableId("farm", "d", "t")
NEW, SAME, REPLACED, MERGED = Outcome.NEW, Outcome.SAME, Outcome.REPLACED, Outcome.MERGED
WHOLE = {"temperature": 21.5, "humidity": 48.0, "co2": 611.0}


class Bench:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.store = self._open()
        self.offset = 0

    def _open(self) -> LoneStore:
        return open_store(
            self._folder,
            memory_limit_bytes=1 << 26,
            templates={("d", "t"): TableSettings(timedelta(days=9), from_config=True)},
            clock_ns=lambda: T0,
        )

    def write(self, *rows: dict[str, float], version: int = 1, by_version: bool = False) -> list[int]:
        """Apply messages of one moment in one batch."""
        made = [Row((("s", "1"),), T0, tuple(values.items()), version) for values in rows]
        batch = batch_of(
            self.store.registry.of(TABLE), PARTITION, [self.offset] * len(made), made, by_version=by_version
        )
        outcomes: list[int] = self.store.apply(batch).outcomes.tolist()
        self.store.advance(PARTITION, self.offset)
        self.offset += 1
        return outcomes

    def flush(self) -> None:
        self.store.flush()

    def flush_and_evict(self) -> None:
        self.store.flush()
        (table,) = self.store.all_tables()
        inside(table).memory.close_chunk()
        table.seal()
        evict_sealed([table])
        assert inside(table).memory.chunks == []

    def compact(self) -> None:
        self.flush_and_evict()
        (table,) = self.store.all_tables()
        if len(table.files()) > 1:
            table.rewrite(table.files())

    def restart(self) -> None:
        self.store.flush()
        self.store.close()
        self.store = self._open()

    def nothing(self) -> None:
        pass

    def rows(self) -> list[dict[str, float]]:
        with self.store.snapshot(TABLE.account) as snapshot:
            measures = [c for c in snapshot.schema("d", "t").columns if c.kind == "measure"]
            found = snapshot.execute(f"SELECT * FROM {snapshot.source(TABLE)}").to_pylist()
        return [{c.name: row[c.physical] for c in measures if row[c.physical] is not None} for row in found]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "store")
    yield made
    made.store.close()


def test_parts_of_one_moment_in_one_batch_are_one_row_stored_once(bench: Bench) -> None:
    outcomes = bench.write({"temperature": 21.5}, {"humidity": 48.0}, {"co2": 611.0})

    assert outcomes == [NEW, MERGED, MERGED]
    assert bench.rows() == [WHOLE]
    (table,) = bench.store.all_tables()
    assert inside(table).memory.chunks[0].rows == 1
    assert not inside(table).superseded


@pytest.mark.parametrize("between", ["nothing", "flush", "flush_and_evict", "compact", "restart"])
def test_parts_of_one_moment_in_several_batches_are_one_row(bench: Bench, between: str) -> None:
    meanwhile: Callable[[], None] = getattr(bench, between)

    outcomes = bench.write({"temperature": 21.5})
    meanwhile()
    outcomes += bench.write({"humidity": 48.0})
    meanwhile()
    outcomes += bench.write({"co2": 611.0})
    meanwhile()

    assert outcomes == [NEW, MERGED, MERGED]
    assert bench.rows() == [WHOLE]


def test_of_two_values_of_a_measure_the_later_wins_and_other_measures_remain(bench: Bench) -> None:
    assert bench.write({"temperature": 21.5, "humidity": 48.0}) == [NEW]
    assert bench.write({"temperature": 22.0}) == [REPLACED]
    assert bench.write({"temperature": 22.0, "co2": 611.0}, {"co2": 600.0, "x": 1.0}) == [MERGED, REPLACED]

    assert bench.rows() == [{"temperature": 22.0, "humidity": 48.0, "co2": 600.0, "x": 1.0}]


@pytest.mark.parametrize("between", ["nothing", "flush_and_evict", "restart"])
def test_a_part_that_comes_again_changes_nothing(bench: Bench, between: str) -> None:
    bench.write({"temperature": 21.5}, {"humidity": 48.0}, {"co2": 611.0})
    getattr(bench, between)()

    assert bench.write({"humidity": 48.0}, dict(WHOLE), {"co2": 611.0, "temperature": 21.5}) == [SAME] * 3
    assert bench.rows() == [WHOLE]


def test_write_records_replaces_the_whole_row(bench: Bench) -> None:
    bench.write({"temperature": 21.5, "humidity": 48.0}, by_version=True)

    assert bench.write({"humidity": 50.0}, version=2, by_version=True) == [REPLACED]
    assert bench.rows() == [{"humidity": 50.0}]


def test_what_comes_by_mqtt_is_merged_into_what_write_records_left(bench: Bench) -> None:
    bench.write({"humidity": 50.0}, version=3, by_version=True)

    assert bench.write({"temperature": 21.5}) == [MERGED]
    assert bench.rows() == [{"temperature": 21.5, "humidity": 50.0}]
    assert bench.write({"humidity": 51.0}, version=2, by_version=True) == [Outcome.REJECTED]


def test_a_measure_has_one_value_whatever_its_type_was(bench: Bench) -> None:
    bench.write({"t": "unavailable", "humidity": 48.0})  # type: ignore[dict-item]
    retype(bench.store, TABLE, "t", MeasureType.DOUBLE)

    assert bench.write({"co2": 611.0}) == [MERGED]
    assert bench.rows() == [{"humidity": 48.0, "co2": 611.0, "t_text": "unavailable"}]
    assert bench.write({"t": 21.5}) == [REPLACED]
    assert bench.rows() == [{"t": 21.5, "humidity": 48.0, "co2": 611.0}]


_parts = st.lists(
    st.tuples(st.integers(0, 3), st.fixed_dictionaries({}, optional={n: st.sampled_from([0.5, 1.5]) for n in "abc"})),
    min_size=1,
    max_size=12,
)


@given(_parts)
def test_a_merged_row_has_the_last_value_of_each_measure(parts: list[tuple[int, dict[str, float]]]) -> None:
    numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key, _ in parts))}
    standing: dict[int, dict[str, float]] = {key: {} for key in numbers}
    replaces, adds = [], []
    for key, values in parts:
        stood = standing[key]
        replaces.append(any(stood[name] != value for name, value in values.items() if name in stood))
        adds.append(any(name not in stood for name in values))
        stood |= values

    columns = {name: pa.array([values.get(name) for _, values in parts], pa.float64()) for name in "abc"}
    merged = merge(np.array([numbers[key] for key, _ in parts], np.intp), columns, {name: name for name in columns})

    assert merged.replaces.tolist() == replaces
    assert merged.adds.tolist() == adds
    for name in "abc":
        assert merged.columns[name].to_pylist() == [standing[key].get(name) for key in numbers]
