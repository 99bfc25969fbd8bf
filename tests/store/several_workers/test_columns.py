"""A decision about columns on one worker applies on all workers, and after a partition has moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from workers_bench import PARTITIONS, RETENTION, T0, TABLE, Bench, partition_of

from store.catalog import catalog
from store.catalog.catalog import Catalog, TableSettings
from store.magnetic import versions
from store.reading.lending import Lender
from store.reading.snapshot import Snapshot
from store.record import MeasureType
from store.table.column_work import retype
from store.testing import Row

SENSORS = [
    next(s for s in map(str, range(99)) if partition_of(Row((("s", s),), 0, ())) == partition)
    for partition in PARTITIONS
]


@dataclass
class WorkerReader:
    """A worker, with the requests of the HTTP API."""

    bench: Bench
    worker: int

    @property
    def catalog(self) -> Catalog:
        """The catalog of all workers."""
        return self.bench.workers[self.worker].catalog

    def update_columns(self) -> None:
        """The open tables of this worker."""
        for store in self.bench.workers[self.worker].stores():
            store.update_columns()

    def snapshot(self, account: str) -> Snapshot:
        """A query over all workers."""
        return self.bench.workers[self.worker].snapshot(account, self.bench.gather_of(self.worker))

    def lender(self, account: str) -> Lender:
        """The same, for a query process."""
        return self.bench.workers[self.worker].lender(account, self.bench.gather_of(self.worker))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(versions, "REFRESH_EVERY_S", 0.0)
    monkeypatch.setattr(catalog, "REFRESH_EVERY_S", 0.0)
    return tmp_path


@pytest.fixture
def bench(folder: Path) -> Iterator[Bench]:
    made = Bench(str(folder / "magnetic"), templates=configured({"v": "celsius"}))
    yield made
    made.close()


def configured(units: Mapping[str, str]) -> dict[tuple[str, str], TableSettings]:
    return {("d", "t"): TableSettings(RETENTION, from_config=True, units=units)}


def write(bench: Bench, place: int, partition: int, **values: float | str) -> None:
    bench.write([Row((("s", SENSORS[partition]),), T0 + place, tuple(values.items()))])


def values(bench: Bench, worker: int, *names: str) -> list[tuple[object, ...]]:
    with WorkerReader(bench, worker).snapshot(TABLE.account) as snapshot:
        by_name = {column.name: column for column in snapshot.schema("d", "t").columns}
        listed = ", ".join(by_name[name].quoted for name in names)
        rows = snapshot.execute(f"SELECT {listed} FROM {snapshot.source(TABLE)} ORDER BY time_ns")
    return [tuple(row.values()) for row in rows.to_pylist()]


def test_a_measure_is_retyped_for_all_workers(bench: Bench) -> None:
    for partition in range(3):
        write(bench, partition, partition, t=["1", "x", "3"][partition])

    retype(WorkerReader(bench, 0), TABLE, "t", MeasureType.DOUBLE)

    expected = [(1.0, None), (None, "x"), (3.0, None)]
    assert [values(bench, worker, "t", "t_text") for worker in range(2)] == [expected] * 2
    bench.each(lambda store: store.update_columns())
    types = {"t": MeasureType.DOUBLE, "t_text": MeasureType.VARCHAR}
    assert [store.measure_types(TABLE) for store in bench.owners.values()] == [types] * 3
    for partition in range(3):
        write(bench, 3 + partition, partition, t=10.0)
    bench.hand_over(PARTITIONS[0], 1)
    bench.each(lambda store: store.flush())
    assert [values(bench, worker, "t", "t_text") for worker in range(2)] == [[*expected, *[(10.0, None)] * 3]] * 2


def test_workers_take_up_a_new_unit_one_after_the_other(bench: Bench) -> None:
    """Until its owner has the new configuration, rows of a partition have the old unit, and are known to have it."""
    for partition in range(3):
        write(bench, partition, partition, v=20.0)
    bench.start_worker(configured({"v": "fahrenheit"}))

    bench.hand_over(PARTITIONS[0], 2)
    write(bench, 3, 0, v=68.0)
    write(bench, 4, 1, v=20.0)

    assert values(bench, 2, "v") == [(68.0,)] * 5
    assert values(bench, 0, "v") == [(20.0,)] * 5
    for partition in (1, 2):
        bench.hand_over(PARTITIONS[partition], 2)
        write(bench, 4 + partition, partition, v=68.0)
    assert values(bench, 2, "v") == [(68.0,)] * 7
    bench.each(lambda store: store.flush())
    assert values(bench, 2, "v") == [(68.0,)] * 7


def test_a_stream_that_a_worker_does_not_know_yet_is_none_of_its_rows(bench: Bench) -> None:
    write(bench, 0, 0, v=20.0)
    bench.workers[0].catalog.number_partitions(["0123456789abcdef/readings/3"])
    info = bench.workers[0].catalog.table(TABLE)
    eras = {"0123456789abcdef/readings/3": ((0, {"v": "fahrenheit"}),)}
    changes = type(info.changes)(units=info.changes.units, eras=eras)
    bench.workers[0].catalog.change_columns({TABLE: lambda _: changes})
    bench.each(lambda store: store.update_columns())

    write(bench, 0, 0, w=1.0)

    assert values(bench, 1, "v", "w") == [(20.0, 1.0)]
