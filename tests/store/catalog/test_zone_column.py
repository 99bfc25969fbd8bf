"""The zone of a row is its column `zone_name`, the same in both tiers, for exactly the tables with zones."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from deltalake import DeltaTable
from hypothesis import given

from store.catalog.catalog import TableSettings
from store.catalog.zones import dimensions_of_zones, zone_of
from store.record import SeriesKey, TableId
from store.sql import SqlRequest, at_once
from store.store import Store
from store.testing import Row, ask, batch_of
from tests.support.lone_store import MAGNETIC, LoneStore, open_store
from tests.support.tables import evict_sealed, inside

PARTITION = "0123456789abcdef/readings/0"
TABLE = TableId("farm", "d", "t")
T0 = 1_795_000_000_000_000_000
TEMPLATE = "{house}/{zone}"


class Bench:
    """One store and its log."""

    def __init__(self, folder: Path, zone: str | None = TEMPLATE) -> None:
        self.folder = folder
        self.offset = -1
        self.store = self._opened(zone)

    def _opened(self, zone: str | None) -> LoneStore:
        settings = TableSettings(timedelta(days=9), from_config=True, zone=zone)
        return open_store(self.folder, partition=PARTITION, templates={("d", "t"): settings}, clock_ns=lambda: T0 + 100)

    def restart(self, zone: str | None = TEMPLATE) -> None:
        self.store.flush()
        self.store.close()
        self.store = self._opened(zone)

    def send(self, *rows: tuple[Row, str | None]) -> None:
        self.offset += 1
        index = self.store.registry.of(TABLE)
        for row, zone in rows:
            index.id_of(SeriesKey(row.dimensions, row.measure_name), zone)
        self.store.apply(batch_of(index, PARTITION, [self.offset] * len(rows), [row for row, _ in rows]))
        self.store.advance(PARTITION, self.offset)

    def flush(self) -> None:
        self.store.flush()

    def evict(self) -> None:
        self.store.flush()
        used = self.store.tables.to_read(TABLE)
        inside(used).memory.close_chunk()
        used.seal()
        evict_sealed([used])

    def merge(self) -> None:
        self.evict()
        used = self.store.tables.to_read(TABLE)
        used.rewrite(used.files())

    def sql(self, text: str) -> list[tuple[object, ...]]:
        """The rows of the result; lists that are answered without a look at rows are compared with those of a scan."""
        found = ask(self.store, TABLE.account, text, now_ns=T0 + 100)
        with self.store.lender(TABLE.account) as lender:
            listed = at_once(lender, SqlRequest(text, T0 + 100))
        assert listed is None or list(listed.rows()) == list(found.rows())
        return list(zip(*(column.to_pylist() for column in found.table.columns), strict=True))

    def names(self) -> list[str]:
        return [str(name) for name, *_ in self.sql('DESCRIBE "d"."t"')]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(zone: str | None = TEMPLATE) -> Bench:
        benches.append(Bench(tmp_path / "store", zone))
        return benches[-1]

    yield make
    for bench in benches:
        bench.store.close()


def row(at: int, house: str = "gh-1", zone: str = "north", **values: Any) -> Row:
    return Row((("house", house), ("zone", zone)), T0 + at, tuple((values or {"v": float(at)}).items()))


def both() -> Sequence[tuple[Row, str]]:
    return (row(1), "gh-1/north"), (row(2, "gh-2", "south"), "gh-2/south"), (row(3), "gh-1/north")


@pytest.mark.parametrize("then", [[], ["flush"], ["evict"], ["merge"], ["restart"], ["flush", "restart", "evict"]])
def test_rows_are_found_and_grouped_by_their_zone_wherever_they_are(
    opened: Callable[..., Bench], then: list[str]
) -> None:
    bench = opened()
    bench.send(*both())
    for step in then:
        getattr(bench, step)()
    bench.send((row(4), "gh-1/north"))

    assert bench.sql('SELECT zone_name, count(*) FROM "d"."t" GROUP BY zone_name ORDER BY zone_name') == [
        ("gh-1/north", 3),
        ("gh-2/south", 1),
    ]
    assert bench.sql("""SELECT v, zone FROM "d"."t" WHERE zone_name = 'gh-2/south'""") == [(2.0, "south")]


def test_it_comes_after_the_dimensions(opened: Callable[..., Bench]) -> None:
    bench = opened()
    bench.send(*both())

    assert bench.sql('DESCRIBE "d"."t"') == [
        ("house", "varchar", "DIMENSION"),
        ("zone", "varchar", "DIMENSION"),
        ("zone_name", "varchar", "DIMENSION"),
        ("measure_name", "varchar", "MEASURE_NAME"),
        ("time", "timestamp", "TIMESTAMP"),
        ("v", "double", "MULTI"),
    ]
    assert bench.sql('SELECT * FROM "d"."t" ORDER BY time LIMIT 1')[0][:3] == ("gh-1", "north", "gh-1/north")
    (shown,) = bench.sql('SHOW MEASURES FROM "d"."t"')
    assert [entry["f0"] for entry in shown[2]] == ["house", "zone", "zone_name"]  # type: ignore[attr-defined, index]


def test_other_engines_find_it_in_the_delta_table(opened: Callable[..., Bench]) -> None:
    bench = opened()
    bench.send(*both())
    bench.evict()
    bench.merge()

    found = DeltaTable(bench.folder / MAGNETIC / "farm" / "d" / "t").to_pyarrow_table()

    assert sorted(found["zone_name"].to_pylist()) == ["gh-1/north", "gh-1/north", "gh-2/south"]


def test_a_table_without_zones_has_no_such_column(opened: Callable[..., Bench]) -> None:
    bench = opened(None)
    bench.send((row(1), None))

    assert "zone_name" not in bench.names()
    with pytest.raises(Exception, match="Column 'zone_name' does not exist"):
        bench.sql('SELECT zone_name FROM "d"."t"')


@pytest.mark.parametrize("then", ["flush", "evict"])
def test_a_zone_made_by_no_template_is_that_of_the_series(opened: Callable[..., Bench], then: str) -> None:
    bench = opened(None)
    bench.send((row(1), "some/topic"))
    getattr(bench, then)()
    bench.send((row(2, "gh-2"), "other"))

    assert bench.sql('SELECT zone_name FROM "d"."t" ORDER BY time') == [("some/topic",), ("other",)]


@pytest.mark.parametrize("then", ["flush", "evict"])
def test_all_rows_are_in_the_zones_of_the_present_template(opened: Callable[..., Bench], then: str) -> None:
    bench = opened()
    bench.send(*both())
    getattr(bench, then)()

    bench.restart("{house}")
    bench.send((row(9), "gh-1"))
    bench.store.flush()

    assert bench.sql('SELECT zone_name, count(*) FROM "d"."t" GROUP BY zone_name ORDER BY zone_name') == [
        ("gh-1", 3),
        ("gh-2", 1),
    ]


def test_files_older_than_the_column_have_it_too(opened: Callable[..., Bench]) -> None:
    bench = opened(None)
    bench.send((row(1), None))
    bench.evict()
    bench.restart()
    bench.send((row(2), "gh-1/north"))

    assert bench.sql('SELECT zone_name FROM "d"."t" ORDER BY time') == [("gh-1/north",)] * 2


def test_so_do_those_of_a_table_whose_dimensions_are_the_levels_of_topics(opened: Callable[..., Bench]) -> None:
    bench = opened(None)
    old = [
        Row((("topic_1", "a"),), T0, (("v", 1.0),)),
        Row((("topic_1", "a"), ("topic_2", "b"), ("topic_3", "c")), T0 + 1, (("v", 1.0),)),
    ]
    bench.send(*((one, None) for one in old))
    bench.evict()
    bench.restart(None)
    bench.send((Row((("topic_1", "x"), ("topic_2", "y")), T0 + 2, (("v", 1.0),)), "x"))

    assert bench.sql('SELECT zone_name FROM "d"."t" ORDER BY time') == [("a",), ("a/b",), ("x",)]


@pytest.mark.parametrize("then", ["flush", "evict", "restart"])
@pytest.mark.parametrize("payload_first", [True, False])
def test_a_name_zone_name_from_a_device_is_stored_in_addition(
    opened: Callable[..., Bench], then: str, payload_first: bool
) -> None:
    bench = opened(None if payload_first else TEMPLATE)
    bench.send((row(1, zone_name="mine", v=1.0), None if payload_first else "gh-1/north"))
    if payload_first:
        bench.evict()
        bench.restart()
    bench.send((row(2, zone_name="mine", v=2.0), "gh-1/north"))
    getattr(bench, then)()
    mine = Row((("house", "gh-1"), ("zone", "north"), ("zone_name", "dim")), T0 + 3, (("v", 3.0),))
    bench.send((mine, "gh-1/north"))

    found = bench.sql('SELECT zone_name, zone_name_text, zone_name_dimension, v FROM "d"."t" ORDER BY time')

    assert found == [
        ("gh-1/north", "mine", None, 1.0),
        ("gh-1/north", "mine", None, 2.0),
        ("gh-1/north", None, "dim", 3.0),
    ]
    assert bench.sql("""SELECT v FROM "d"."t" WHERE zone_name_dimension = 'dim'""") == [(3.0,)]


def test_a_series_whose_zone_changes_is_in_the_new_one(opened: Callable[..., Bench]) -> None:
    bench = opened(None)
    bench.send((row(1), "a"))
    assert bench.sql('SELECT zone_name FROM "d"."t"') == [("a",)]

    bench.send((row(2), "b"))

    assert bench.sql('SELECT zone_name FROM "d"."t"') == [("b",), ("b",)]


def test_workers_that_share_a_table_have_it_in_rows_of_all(tmp_path: Path) -> None:
    partitions = [PARTITION, "0123456789abcdef/readings/1"]
    shared = Store.open(
        str(tmp_path / "magnetic"),
        partitions=partitions,
        memory_limit_bytes=1 << 26,
        templates={("d", "t"): TableSettings(timedelta(days=9), from_config=True, zone=TEMPLATE)},
        clock_ns=lambda: T0 + 100,
        log_end=dict,
    )
    stores = [shared.take(partition) for partition in partitions]
    for store, partition, one, zone in zip(stores, partitions, (row(1), row(2, "gh-2")), ("gh-1/north", "gh-2/north")):  # noqa: B905
        index = store.registry.of(TABLE)
        index.id_of(SeriesKey(one.dimensions, one.measure_name), zone)
        store.apply(batch_of(index, partition, [0], [one]))
        store.advance(partition, 0)
    stores[0].flush()

    with shared.snapshot("farm") as snapshot:
        (column,) = (column for column in snapshot.schema("d", "t").columns if column.name == "zone_name")
        found = snapshot.execute(f"SELECT {column.quoted} AS z FROM {snapshot.source(TABLE)} ORDER BY z")
    shared.close()

    assert found["z"].to_pylist() == ["gh-1/north", "gh-2/north"]


@given(
    st.sampled_from(["{g}/{z}", "{g}{z}", "a{g}-{z}b", "{g}-{z}-{h}", "{g}-{g}", "{g}", "z"]),
    st.fixed_dictionaries(dict.fromkeys("gzh", st.text("ab-/", max_size=4))),
)
def test_the_dimensions_of_a_zone_are_among_those_that_are_looked_for(
    template: str, dimensions: dict[str, str]
) -> None:
    zone = zone_of(template, dimensions)
    assert zone is not None

    looked_for = dimensions_of_zones(template, [zone, "another"])

    assert all(dimensions[name] in values for name, values in looked_for.items())


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        ("a/b", {"g": {"a"}, "z": {"b"}}),
        ("a/b/c", {"g": {"a", "a/b"}, "z": {"c", "b/c"}}),
        ("none", {"g": set(), "z": set()}),
        ("/" * 1_000, {}),
        ("/" * 100_000, {}),
    ],
)
def test_few_dimensions_can_be_those_of_a_zone(zone: str, found: dict[str, set[str]]) -> None:
    assert dimensions_of_zones("{g}/{z}", [zone]) == found
