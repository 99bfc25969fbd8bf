"""A name has one meaning: values that were stored in another type, role or unit are read in the present one."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from store.catalog.adopt import CannotRetype
from store.catalog.catalog import TableSettings
from store.reading.averages import zone_averages
from store.reading.bins import Bins
from store.record import MeasureType, Outcome, TableId
from store.sql import SqlRequest, at_once
from store.table.column_work import restate_unit, retype
from store.testing import Row, ask, batch_of
from tests.support.lone_store import LoneStore, open_store
from tests.support.tables import evict_sealed, inside

PARTITION = "0123/readings/0"
TABLE = TableId("farm", "d", "t")
T0 = 1_795_000_000_000_000_000
Opener = Callable[..., LoneStore]


class Bench:
    """One store with its log and its configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.offset = -1
        self.store = self._opened({})

    def _opened(self, settings: Mapping[str, Any], since: Mapping[str, int] | None = None) -> LoneStore:
        template = TableSettings(timedelta(days=9), from_config=True, **settings)
        return open_store(
            self.folder,
            memory_limit_bytes=1 << 26,
            templates={("d", "t"): template},
            clock_ns=lambda: T0 + 100,
            since=since,
        )

    def restart(self, **settings: Any) -> None:
        """Stop normally, and start with another configuration."""
        self.store.flush()
        self.store.close()
        self.store = self._opened(settings)

    def send(self, *rows: Row, by_version: bool = False) -> list[int]:
        """Apply one frame."""
        self.offset += 1
        batch = batch_of(
            self.store.registry.of(TABLE), PARTITION, [self.offset] * len(rows), rows, by_version=by_version
        )
        outcomes: list[int] = self.store.apply(batch).outcomes.tolist()
        self.store.advance(PARTITION, self.offset)
        return outcomes

    def retype(self, measure: str, kind: MeasureType) -> None:
        """An operator changes the type, and upkeep applies the change."""
        retype(self.store, TABLE, measure, kind)
        self.store.update_columns()

    def sql(self, text: str) -> list[tuple[object, ...]]:
        """The rows of the result; lists that are answered without a look at rows are compared with those of a scan."""
        found = ask(self.store, TABLE.account, text, now_ns=T0 + 100)
        with self.store.lender(TABLE.account) as lender:
            listed = at_once(lender, SqlRequest(text, T0 + 100))
        assert listed is None or list(listed.rows()) == list(found.rows())
        return list(zip(*(column.to_pylist() for column in found.table.columns), strict=True))

    def columns(self) -> list[tuple[str, str]]:
        """DESCRIBE."""
        return [(str(name), str(kind)) for name, kind, _ in self.sql('DESCRIBE "d"."t"')]

    def everywhere(self, text: str) -> list[tuple[object, ...]]:
        """The result, which must be the same for rows in each tier, merged or not, and in another process."""
        answers = [self.sql(text)]
        self.store.flush()
        used = self.store.tables.to_read(TABLE)
        inside(used).memory.close_chunk()
        used.seal()
        answers.append(self.sql(text))
        evict_sealed([used])
        answers.append(self.sql(text))
        for date in {file.date for file in used.files()}:
            used.rewrite([file for file in used.files() if file.date == date])
        answers.append(self.sql(text))
        settings = used.info.settings
        self.restart(units=settings.units, types=settings.types, dimensions=settings.dimensions)
        answers.append(self.sql(text))
        assert answers == answers[:1] * len(answers)
        return answers[0]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "store")
    yield made
    made.store.close()


def row(place: int, sensor: str = "a", **values: Any) -> Row:
    return Row((("s", sensor),), T0 + place, tuple(values.items()))


def test_the_configured_type_wins_and_older_values_are_cast(bench: Bench) -> None:
    """Values that are not valid in the new type are read under the sibling name."""
    bench.send(row(0, t="unavailable"), row(1, t="20.5"), row(2, t=" -1e1 "), row(3, t="nan"))

    bench.restart(types={"t": MeasureType.DOUBLE})
    bench.send(row(4, t=21.0))

    assert bench.store.measure_types(TABLE) == {"t": MeasureType.DOUBLE, "t_text": MeasureType.VARCHAR}
    assert bench.everywhere('SELECT t, t_text FROM "d"."t" ORDER BY time') == [
        (None, "unavailable"),
        (20.5, None),
        (-10.0, None),
        (None, "nan"),
        (21.0, None),
    ]
    assert bench.sql('SELECT sum(t) FROM "d"."t" WHERE t > 0') == [(41.5,)]
    assert bench.sql('SELECT t, count(*) FROM "d"."t" WHERE t > 20 GROUP BY t ORDER BY t') == [(20.5, 1), (21.0, 1)]


def test_a_decision_is_logged_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.send(row(0, t="x"))

    bench.restart(types={"t": MeasureType.DOUBLE})
    bench.restart(types={"t": MeasureType.DOUBLE})

    told = [record.getMessage() for record in caplog.records if "from now on" in record.getMessage()]
    assert told == [
        (
            "table d.t: measure 't' was varchar and is double from now on, as configured; "
            "older values are read as such, those that are none under 't_text'"
        )
    ]


def test_the_normaliser_may_still_send_the_old_type_and_nothing_is_lost(bench: Bench) -> None:
    """Batches may be in the pipeline, or be read again from the log after a kill."""
    bench.send(row(0, t="1"))
    retyped = bench.store.registry.of(TABLE).retyped

    bench.retype("t", MeasureType.DOUBLE)

    assert bench.store.registry.of(TABLE).retyped == retyped + 1
    assert bench.send(row(1, t="2"), by_version=True) == [Outcome.NEW]
    assert bench.send(row(2, t="3"), row(3, t="off")) == [Outcome.NEW, Outcome.NEW]
    assert bench.everywhere('SELECT t, t_text FROM "d"."t" ORDER BY time') == [
        (1.0, None),
        (2.0, None),
        (3.0, None),
        (None, "off"),
    ]


@pytest.mark.parametrize(
    ("value", "kind", "read", "left"),
    [
        (7.0, MeasureType.VARCHAR, "7", None),
        (7.25, MeasureType.VARCHAR, "7.25", None),
        (7.0, MeasureType.BIGINT, 7, None),
        (7.5, MeasureType.BIGINT, None, 7.5),
        (1e300, MeasureType.BIGINT, None, 1e300),
        (1.0, MeasureType.BOOLEAN, True, None),
        (2.0, MeasureType.BOOLEAN, None, 2.0),
        (7, MeasureType.DOUBLE, 7.0, None),
        (True, MeasureType.DOUBLE, 1.0, None),
        (False, MeasureType.VARCHAR, "false", None),
        ("True", MeasureType.BOOLEAN, True, None),
        ("yes", MeasureType.BOOLEAN, None, "yes"),
        ("9007199254740993", MeasureType.BIGINT, 9007199254740993, None),
        ("5.0", MeasureType.BIGINT, 5, None),
        ("5.5", MeasureType.BIGINT, None, "5.5"),
        ("0x10", MeasureType.BIGINT, None, "0x10"),
        ("1e999", MeasureType.DOUBLE, None, "1e999"),
        ("", MeasureType.DOUBLE, None, ""),
    ],
)
def test_a_value_is_cast_exactly_or_left(
    bench: Bench, value: object, kind: MeasureType, read: object, left: object
) -> None:
    bench.send(row(0, t=value))

    bench.retype("t", kind)

    (found,) = bench.sql('SELECT * FROM "d"."t"')
    names = [name for name, _ in bench.columns()]
    assert found[names.index("t")] == read
    assert type(found[names.index("t")]) is type(read)
    others = [name for name in names if name.startswith("t_")]
    assert [found[names.index(name)] for name in others] == ([left] if others else [])
    assert left is None or others


def test_a_device_that_sends_another_type_harms_nobody(bench: Bench) -> None:
    """Neither the previous value nor its own; a client of WriteRecords gets an error."""
    bench.send(row(0, t=1.5))

    assert bench.send(row(1, t="2"), row(2, t="off")) == [Outcome.NEW, Outcome.NEW]
    assert bench.send(row(3, t="2"), by_version=True) == [Outcome.REJECTED]
    assert bench.everywhere('SELECT t, t_text FROM "d"."t" ORDER BY time') == [(1.5, None), (2.0, None), (None, "off")]


def test_once_retyped_a_client_may_write_the_new_type(bench: Bench) -> None:
    bench.send(row(0, t="1"), by_version=True)
    bench.retype("t", MeasureType.DOUBLE)

    assert bench.send(row(1, t=2.0), by_version=True) == [Outcome.NEW]
    assert bench.everywhere('SELECT sum(t) FROM "d"."t"') == [(3.0,)]


def test_measures_of_text_are_open_until_somebody_decides(bench: Bench) -> None:
    bench.send(row(0, decided="1", open="x", settled="x", number=1.0))
    bench.store.settle_texts(TABLE, ["settled"])
    bench.retype("decided", MeasureType.DOUBLE)
    before = bench.store.open_texts(TABLE)

    bench.restart()

    after = bench.store.open_texts(TABLE)
    bench.restart(types={"open": MeasureType.VARCHAR})
    assert before == after == ["open", "decided_text"]  # the last is a name under which texts are read
    assert bench.store.open_texts(TABLE) == ["decided_text"]


def test_retyping_back_gives_what_was_there(bench: Bench) -> None:
    bench.send(row(0, t="x"), row(1, t="1"))
    bench.retype("t", MeasureType.DOUBLE)
    bench.send(row(2, t=2.5))

    bench.retype("t", MeasureType.VARCHAR)

    assert bench.columns() == [("s", "varchar"), ("measure_name", "varchar"), ("time", "timestamp"), ("t", "varchar")]
    assert bench.everywhere('SELECT t FROM "d"."t" ORDER BY time') == [("x",), ("1",), ("2.5",)]


@pytest.mark.parametrize(
    ("measure", "kind", "words"),
    [
        ("no", MeasureType.DOUBLE, "d.t has no measure 'no'"),
        ("s", MeasureType.DOUBLE, "'s' is a dimension of d.t"),
        ("c", MeasureType.VARCHAR, "the configuration makes 'c' of d.t a double"),
        ("t", MeasureType.TIMESTAMP, "cannot be made a timestamp; allowed: double bigint boolean varchar"),
        ("measure_value::double", MeasureType.VARCHAR, "its name determines its type"),
    ],
)
def test_nonsense_is_refused_in_words(bench: Bench, measure: str, kind: MeasureType, words: str) -> None:
    bench.send(Row((("s", "a"),), T0, (("t", "x"), ("c", 1.0), ("measure_value::double", 1.0))))
    bench.restart(types={"c": MeasureType.DOUBLE})

    with pytest.raises(CannotRetype, match=words):
        bench.retype(measure, kind)


def test_a_table_that_nothing_was_decided_of_is_read_as_it_is(bench: Bench) -> None:
    bench.send(row(0, t=1.0, u="x"))

    with bench.store.snapshot(TABLE.account) as snapshot:
        schema = snapshot.schema("d", "t")
        text = snapshot.source(TABLE)

    assert schema.stored == ()
    assert not any(word in text for word in ("COALESCE", "CASE", "CAST"))


def test_a_measure_that_becomes_a_dimension_is_one_in_older_rows_too(bench: Bench) -> None:
    bench.send(row(0, serial="A7", slot=7.0, t=1.0))

    bench.restart(dimensions=("s", "serial", "slot"))
    bench.send(
        Row((("s", "a"), ("serial", "A7"), ("slot", "7")), T0 + 1, (("t", 2.0),)),
        Row((("s", "a"), ("serial", "B8"), ("slot", "8")), T0 + 2, (("t", 3.0),)),
    )

    assert bench.columns() == [
        ("s", "varchar"),
        ("serial", "varchar"),
        ("slot", "varchar"),
        ("measure_name", "varchar"),
        ("time", "timestamp"),
        ("t", "double"),
    ]
    grouped = 'SELECT serial, slot, count(*) FROM "d"."t" GROUP BY serial, slot ORDER BY serial'
    assert bench.everywhere(grouped) == [("A7", "7", 2), ("B8", "8", 1)]
    assert bench.everywhere("""SELECT t FROM "d"."t" WHERE serial = 'A7' AND slot = '7' ORDER BY t""") == [
        (1.0,),
        (2.0,),
    ]
    assert bench.sql("""SELECT t FROM "d"."t" WHERE serial IN ('B8')""") == [(3.0,)]
    assert bench.sql("""SELECT t FROM "d"."t" WHERE s = 'a' AND serial = 'A7' ORDER BY t""") == [(1.0,), (2.0,)]
    (shown,) = bench.sql('SHOW MEASURES FROM "d"."t"')
    assert [entry["f0"] for entry in shown[2]] == ["s", "serial", "slot"]  # type: ignore[index, attr-defined]


def test_a_dimension_that_becomes_a_measure_is_one_in_older_rows_too(bench: Bench) -> None:
    bench.restart(dimensions=("s", "slot"))
    bench.send(Row((("s", "a"), ("slot", "7")), T0, (("t", 1.0),)), Row((("slot", "A"),), T0 + 1, (("t", 2.0),)))

    bench.restart(dimensions=("s",))
    assert bench.columns()[:2] == [("s", "varchar"), ("slot", "varchar")]  # nothing else has its name yet
    bench.send(row(2, slot=9.0, t=3.0))

    assert bench.store.measure_types(TABLE) == {
        "t": MeasureType.DOUBLE,
        "slot": MeasureType.DOUBLE,
        "slot_text": MeasureType.VARCHAR,
    }
    assert bench.everywhere('SELECT slot, slot_text, t FROM "d"."t" ORDER BY t') == [
        (7.0, None, 1.0),
        (None, "A", 2.0),
        (9.0, None, 3.0),
    ]


@pytest.mark.parametrize("dimension_first", [True, False])
def test_a_dimension_and_a_measure_with_one_name_are_read_under_two_names(bench: Bench, dimension_first: bool) -> None:
    """A client of WriteRecords adds a dimension, devices a measure of its name: the dimension has the name."""
    record = Row((("line", "L1"),), T0, (("v", 1.0),))
    device = Row((("s", "a"),), T0 + 1, (("line", 5.0), ("v", 2.0)))
    for one in (record, device) if dimension_first else (device, record):
        bench.send(one, by_version=one is record)

    found = bench.everywhere('SELECT line, line_double, v FROM "d"."t" ORDER BY v')

    assert found == [("L1", None, 1.0), (None, 5.0, 2.0)]
    assert bench.sql("""SELECT v FROM "d"."t" WHERE line = 'L1'""") == [(1.0,)]


def averages(bench: Bench, measure: str, bin_ns: int | None = None) -> list[tuple[float, int]]:
    bins = None if bin_ns is None else Bins(bin_ns)
    index = bench.store.registry.of(TABLE)
    with bench.store.snapshot(TABLE.account) as snapshot:
        found = zone_averages(
            snapshot,
            index,
            {"z": range(len(index))},
            [measure],
            from_ns=T0,
            to_ns=T0 + 100,
            bins=bins,
        )
    return [(average.average, average.count) for average in found["z", measure]]


def test_values_of_an_earlier_unit_are_converted(bench: Bench) -> None:
    bench.restart(units={"t": "celsius"})
    bench.send(row(0, t=20.0), row(1, "b", t=20.0))

    bench.restart(units={"t": "fahrenheit"})
    assert averages(bench, "t") == [(68.0, 2)]
    bench.send(row(2, t=68.0), row(3, "b", t=68.0))
    assert averages(bench, "t") == [(68.0, 4)]
    assert bench.sql('SELECT avg(t), min(t), max(t) FROM "d"."t"') == [(68.0, 68.0, 68.0)]

    bench.restart(units={"t": "celsius"})
    bench.send(row(4, t=20.0))
    assert bench.everywhere('SELECT t FROM "d"."t"') == [(20.0,)] * 5
    assert averages(bench, "t", 1) == [(20.0, 1)] * 5


def test_values_in_a_unit_that_cannot_be_converted_have_their_own_name(bench: Bench) -> None:
    bench.restart(units={"t": "celsius"})
    bench.send(row(0, t=20.0))

    bench.restart(units={"t": "percent"})
    bench.send(row(1, t=55.0))

    assert bench.everywhere('SELECT t, t_celsius FROM "d"."t" ORDER BY time') == [(None, 20.0), (55.0, None)]
    assert averages(bench, "t") == [(55.0, 1)]


def test_rows_that_come_again_from_the_log_have_the_unit_they_came_in(bench: Bench) -> None:
    """Also after a kill: records from before the start with a new unit are in the old unit."""
    bench.restart(units={"t": "celsius"})
    bench.send(row(0, t=20.0))
    bench.store.close()

    bench.store = bench._opened({"units": {"t": "fahrenheit"}}, since={PARTITION: bench.offset + 1})
    bench.offset -= 1
    bench.send(row(0, t=20.0))
    bench.send(row(1, t=30.0))

    assert bench.everywhere('SELECT t FROM "d"."t" ORDER BY time') == [(68.0,), (30.0,)]


def test_rows_of_which_nobody_knows_when_they_came_have_the_unit_they_are_read_in(bench: Bench) -> None:
    """If no offset is given, records that are not stored yet have the unit of the present configuration."""
    bench.restart(units={"t": "celsius"})
    bench.send(row(0, t=20.0))
    bench.restart(units={"t": "celsius"})
    bench.send(row(1, t=30.0))
    bench.store.close()

    bench.store = bench._opened({"units": {"t": "fahrenheit"}})
    bench.offset -= 1
    bench.send(row(1, t=30.0))

    assert bench.everywhere('SELECT t FROM "d"."t" ORDER BY time') == [(68.0,), (30.0,)]


def test_a_unit_that_is_given_or_taken_away_changes_no_value(bench: Bench) -> None:
    bench.send(row(0, t=20.0))
    bench.restart(units={"t": "celsius"})
    bench.restart()
    bench.restart(units={"t": "celsius"})

    assert bench.sql('SELECT t FROM "d"."t"') == [(20.0,)]
    bench.restart()
    bench.restart(units={"t": "fahrenheit"})
    assert bench.sql('SELECT t FROM "d"."t"') == [(68.0,)]
    bench.restart()
    assert bench.sql('SELECT t FROM "d"."t"') == [(68.0,)]


def test_a_unit_that_was_wrong_all_along_is_corrected(bench: Bench) -> None:
    bench.restart(units={"t": "celsius"})
    bench.send(row(0, t=68.0))
    bench.restart(units={"t": "fahrenheit"})
    bench.send(row(1, t=70.0))
    assert bench.sql('SELECT t FROM "d"."t" ORDER BY time') == [(154.4,), (70.0,)]

    restate_unit(bench.store, TABLE, "t", "fahrenheit")

    assert bench.everywhere('SELECT t FROM "d"."t" ORDER BY time') == [(68.0,), (70.0,)]
    with pytest.raises(CannotRetype, match="'x' is not a unit known here"):
        restate_unit(bench.store, TABLE, "t", "x")
    with pytest.raises(CannotRetype, match=r"'u' of d\.t has had one unit only"):
        restate_unit(bench.store, TABLE, "u", "celsius")


def test_zones_have_their_rows_whatever_their_dimensions_have_become(bench: Bench) -> None:
    bench.send(row(0, serial="A7", t=1.0))
    bench.restart(dimensions=("s", "serial"))
    bench.send(Row((("s", "a"), ("serial", "A7")), T0 + 1, (("t", 3.0),)))

    assert averages(bench, "t") == [(2.0, 2)]
    index = bench.store.registry.of(TABLE)
    with bench.store.snapshot(TABLE.account) as snapshot:
        zones = {"old": [0], "new": [1]}
        found = zone_averages(snapshot, index, zones, ["t"], from_ns=T0, to_ns=T0 + 100)
    assert [found[zone, "t"][0].average for zone in zones] == [1.0, 3.0]


def test_a_late_repeat_of_a_row_of_before_is_the_same_row(bench: Bench) -> None:
    """A value that is looked up in either tier is the one that readers see."""
    bench.send(row(0, t="20"), row(9, t="x"))
    bench.restart(types={"t": MeasureType.DOUBLE})

    assert bench.send(row(0, t=20.0)) == [Outcome.SAME]
    assert bench.send(row(0, t=21.0)) == [Outcome.REPLACED]
    assert bench.everywhere('SELECT t FROM "d"."t" ORDER BY time') == [(21.0,), (None,)]


def test_a_type_that_was_asked_for_is_known_as_such_after_a_restart(bench: Bench) -> None:
    """Also if the measure has the value already: then no other value changes it."""
    bench.send(row(0, t="x", u="y"))

    bench.retype("t", MeasureType.VARCHAR)
    bench.restart()

    assert bench.store.asked_types(TABLE) == ("t",)
    assert bench.store.open_texts(TABLE) == ["u"]


def test_a_type_given_for_another_reason_was_not_asked_for(bench: Bench) -> None:
    bench.send(row(0, t="x"))

    bench.store.retype(TABLE, "t", MeasureType.DOUBLE, "as a number came")

    assert bench.store.asked_types(TABLE) == ()
