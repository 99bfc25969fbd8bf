"""SQL and averages have the same results on a worker that owns none of the rows and on one that owns all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from workers_bench import PARTITIONS, T0, TABLE, Asked, Bench

from store.catalog.catalog import TableSettings
from store.reading.averages import zone_averages
from store.record import TableId
from store.sql.errors import NameNotFound
from store.testing import Row, ask


@pytest.fixture(params=[2, 0], ids=["that owns none", "that owns all"])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asked]:
    bench = Bench(str(tmp_path / "magnetic"), workers=3)
    for partition in PARTITIONS:
        bench.workers[bench.worker_of[partition]].revoke(bench.owners[partition])
        bench.take(partition, 0)
    for number in range(4):
        bench.write([Row((("s", f"{n}"), ("zone", f"z{n % 2}")), T0 + number, (("v", float(n)),)) for n in range(6)])
        if number == 1:
            bench.each(lambda store: store.flush())
    bench.write([Row((("s", "5"), ("zone", "z1")), T0, (("v", 50.0),))])
    yield Asked(bench, request.param)
    bench.close()


def test_sql_is_answered_whole_by_a_worker_that_owns_nothing(asked: Asked) -> None:
    text = 'SELECT zone, count(*) AS n, sum(v) AS total FROM "d"."t" GROUP BY zone ORDER BY zone'

    found = ask(asked, "farm", text, now_ns=T0 + 10)

    assert [column.to_pylist() for column in found.table.columns] == [["z0", "z1"], [12, 12], [24.0, 81.0]]
    assert ask(asked, "farm", "SHOW TABLES FROM d", now_ns=T0).table.num_rows == 1
    assert ask(asked, "farm", "DESCRIBE d.t", now_ns=T0).table.num_rows == 5
    assert ask(asked, "farm", "SHOW MEASURES FROM d.t", now_ns=T0).table.num_rows == 1


def test_a_column_that_came_just_now_is_found_when_it_is_asked_for(asked: Asked) -> None:
    text = 'SELECT sum("new") AS total FROM d.t'
    with pytest.raises(NameNotFound):
        ask(asked, "farm", text, now_ns=T0 + 10)

    asked.bench.write([Row((("s", "1"), ("zone", "z1")), T0 + 5, (("new", 7.0), ("newer", 8.0)))])

    assert ask(asked, "farm", text, now_ns=T0 + 10).table.columns[0].to_pylist() == [7.0]
    index = next(store.registry.of(TABLE) for store in asked.bench.owners.values() if len(store.registry.of(TABLE)))
    asked.bench.write([Row((("s", "1"), ("zone", "z1")), T0 + 6, (("newest", 9.0),))])
    with asked.snapshot("farm") as snapshot:
        zone_averages(snapshot, index, {"all": range(len(index))}, ["newest"], from_ns=T0, to_ns=T0 + 10)


@pytest.mark.parametrize("text", ["SELECT * FROM d.t", "SELECT * FROM (SELECT t.* FROM d.t)", "DESCRIBE d.t"])
def test_a_column_that_came_just_now_is_in_every_list(asked: Asked, text: str) -> None:
    def listed() -> set[str]:
        found = ask(asked, "farm", text, now_ns=T0 + 10)
        return set(found.table.columns[0].to_pylist() if "DESCRIBE" in text else (one.name for one in found.columns))

    before = listed()
    asked.bench.write([Row((("s", "1"), ("zone", "z1")), T0 + 5, (("new", 7.0),))])

    assert listed() - before == {"new"}


def test_a_table_that_came_just_now_is_in_every_list(asked: Asked) -> None:
    tables = "SHOW TABLES FROM d"
    assert ask(asked, "farm", tables, now_ns=T0).table.columns[0].to_pylist() == ["t"]

    asked.bench.workers[0].catalog.create_table(TableId("farm", "d", "made"), TableSettings())

    assert ask(asked, "farm", tables, now_ns=T0).table.columns[0].to_pylist() == ["made", "t"]


def test_averages_are_those_of_the_owner(asked: Asked) -> None:
    by_stream = {partition: store.registry.of(TABLE) for partition, store in asked.bench.owners.items()}
    for index in by_stream.values():
        if not len(index):
            continue
        sensors = {dict(key.dimensions)["s"]: [number] for number, key in enumerate(index.keys)}
        with asked.snapshot("farm") as snapshot:
            found = zone_averages(snapshot, index, sensors, ["v"], from_ns=T0, to_ns=T0 + 10)
        for sensor in sensors:
            (average,) = found[sensor, "v"]
            assert average.count == 4
            assert average.average == (float(sensor) if sensor != "5" else 65.0 / 4)


def test_a_table_without_a_row_has_its_schema_everywhere(asked: Asked) -> None:
    empty = TableId("farm", "d", "empty")
    asked.bench.workers[0].catalog.create_table(empty, TableSettings())

    with asked.snapshot("farm") as snapshot:
        assert [column.name for column in snapshot.schema("d", "empty").columns] == ["measure_name", "time"]
        source = snapshot.source(empty)
        assert snapshot.execute(f"SELECT * FROM {source}").num_rows == 0
