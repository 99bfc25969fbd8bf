"""For any names, values and times in a frame, the store applies, flushes, merges, opens and queries."""

import json
import math
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, example, given

from store import layout
from store.catalog.catalog import TableSettings
from store.catalog.fit import EARLIEST_NS, LATEST_NS
from store.endpoint import DamagedPayload, decode_write
from store.endpoint.payload import _encoder, _Payload
from store.errors import MagneticTierError
from store.record import MeasureType, Outcome, RecordBatch, SeriesRegistry, TableId
from store.testing import Oracle, Row, ask, batch_of
from tests.support.examples import examples
from tests.support.lone_store import LoneStore, open_store
from tests.support.tables import evict_sealed, inside

PARTITION = "0123/readings/0"
T0 = 1_795_000_000_000_000_000
INT64 = (-(2**63), 2**63 - 1)

_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_inner = [*layout.__dict__.values(), "rowid", "filename", "file_index", "file_row_number", "_rank", "series", "select"]
_odd_names = st.one_of(
    st.sampled_from([name for name in _inner if isinstance(name, str) and len(name) < 20]),
    st.sampled_from(
        ["v", "V", "v_2", "V 2", "a.b", "a/b", "..", 'q"q', "it's", "Ü", "ü", "İ", "\u017f", "1", " ", "x" * 256]
    ),
    _text,
)
_values = st.one_of(
    st.floats(), st.integers(*INT64), st.booleans(), _text, st.just("\0"), st.just("x" * 70_000), st.just("")
)
_times = st.one_of(
    st.integers(T0, T0 + 3),
    st.sampled_from([0, -1, EARLIEST_NS, EARLIEST_NS - 1, LATEST_NS, LATEST_NS + 1, *INT64]),
    st.integers(*INT64),
)
_dimensions = st.dictionaries(_odd_names, st.one_of(_text, st.just(""), st.just("a\0b")), max_size=3)
_rows = st.builds(
    Row,
    _dimensions.map(lambda pairs: tuple(sorted(pairs.items()))),
    _times,
    st.dictionaries(_odd_names, _values, min_size=1, max_size=4).map(lambda values: tuple(values.items())),
    st.just(1),
    st.sampled_from(["m", "it's", 'q"', "", "\0"]),
)
_folders = st.one_of(_text, st.sampled_from(["a b", "_a", ".", "..", "a/b", "a%20b", "~", "x" * 256, "Ü" * 100]))


def fits(row: Row, types: dict[str, type]) -> bool:
    """The rule, implemented independently: times a second away from the limits; the first type of a measure remains."""
    return -(2**63) + 10**9 <= row.time_ns <= 2**63 - 1 - 10**9 and is_of_first_types(row, types)


def is_of_first_types(row: Row, types: dict[str, type]) -> bool:
    return all(types.setdefault(name, type(value)) is type(value) for name, value in row.values)


def plain(row: Row) -> str:
    values = {
        name: "nan"
        if isinstance(value, float) and math.isnan(value)
        else value + 0.0
        if type(value) is float
        else value
        for name, value in row.values
    }
    return json.dumps([sorted(row.dimensions), row.measure_name, row.time_ns, sorted(values.items())])


def found(store: LoneStore, table: TableId) -> list[str]:
    """All rows; also reads each dimension's values, and a query in SQL."""
    with store.snapshot(table.account) as snapshot:
        schema = snapshot.schema(table.database, table.table)
        given, columns = schema.columns, schema.scanned
        rows = snapshot.execute(f"SELECT * FROM {snapshot.source(table)}").to_pylist()
        for column in columns:
            if column.kind == "dimension":
                wanted = {row[column.physical] for row in rows} - {None}
                source = snapshot.source(table, dimensions={column.name: wanted})
                pruned = snapshot.execute(f"SELECT {column.quoted} AS x FROM {source}")["x"].to_pylist()
                assert set(pruned) == wanted
    quoted = [name.replace('"', '""') for name in (table.database, table.table)]
    if "\0" not in "".join(quoted):
        result = ask(store, table.account, f'SELECT * FROM "{quoted[0]}"."{quoted[1]}"', now_ns=T0)
        assert result.table.num_rows == len(rows)
        assert [column.name for column in result.columns] == [column.name for column in given]
        ours = [column.name for column in given if column.kind in {"dimension", "measure"}]
        assert len(set(ours)) == len(ours)

    def present(row: dict[str, object], kind: str) -> tuple[tuple[str, object], ...]:
        return tuple((c.name, row[c.physical]) for c in columns if c.kind == kind and row[c.physical] is not None)

    return sorted(
        plain(Row(present(r, "dimension"), r["time_ns"], present(r, "measure"), 1, r["measure_name"]))  # type: ignore[arg-type]
        for r in rows
    )


@pytest.mark.timeout(300)
@examples(
    12,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(st.lists(_rows, min_size=1, max_size=5), min_size=1, max_size=3), _folders, _folders, _folders)
@example([[Row((), T0, (("v", 1.0),))], [Row((), T0 + 1, (("v", "text"), ("w", True)))]], "a", "b", "c")
@example([[Row((("zone_name", "a"),), T0, (("v", 1.0),)), Row((), T0 + 1, (("v", 1.0),))]], "a", "b", "c")
@example([[Row((("measure_name", "a"),), T0, (("v", 1.0),)), Row((), T0 + 1, (("v", 1.0),))]], "a", "b", "c")
def test_nothing_that_a_frame_holds_stops_the_store(
    frames: list[list[Row]], account: str, database: str, name: str
) -> None:
    folder, table = Path(tempfile.mkdtemp(prefix="streamgauge-odd-")), TableId(account, database, name)

    def opened() -> LoneStore:
        forever = TableSettings(timedelta(days=300_000), from_config=True)
        templates = {(database, name): forever}
        return open_store(folder, memory_limit_bytes=1 << 26, templates=templates, clock_ns=lambda: T0)

    def again(store: LoneStore, lost: Path | None = None) -> LoneStore:
        store.close()
        if lost is not None:
            shutil.rmtree(lost, ignore_errors=True)
        return opened()

    store, oracle, types = opened(), Oracle(), dict[str, type]()
    try:
        for offset, rows in enumerate(frames):
            for row in rows:  # a batch has one type per measure
                of_client = not is_of_first_types(row, dict(types))  # a device's value would be stored
                batch = batch_of(store.registry.of(table), PARTITION, [offset], [row], by_version=of_client)
                (outcome,) = store.apply(batch).outcomes.tolist()
                is_fit = fits(row, dict(types))
                assert (outcome != Outcome.REJECTED) == is_fit
                if is_fit:
                    fits(row, types)
                    oracle.apply(row)
            store.advance(PARTITION, offset)
        expected = sorted(map(plain, oracle.visible(EARLIEST_NS)))
        if expected:
            assert found(store, table) == expected
        store.flush()
        assert found(store, table) == expected
        used = store.all_tables()[0]
        inside(used).memory.close_chunk()
        used.seal()
        evict_sealed([used])
        assert found(store, table) == expected
        store = again(store)
        assert found(store, table) == expected
        used = store.all_tables()[0]
        for date in {file.date for file in used.files()}:
            used.rewrite([file for file in used.files() if file.date == date])
        store.maintain()
        assert found(store, table) == expected
        store = again(store, folder / layout.SERIES)
        assert found(store, table) == expected
        store.close()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def opened_in(folder: Path) -> LoneStore:
    settings = TableSettings(timedelta(days=9), from_config=True)
    return open_store(folder, memory_limit_bytes=1 << 26, templates={("d", "t"): settings}, clock_ns=lambda: T0)


TABLE = TableId("farm", "d", "t")


def test_the_first_type_of_a_measure_remains_and_only_records_with_another_are_rejected(folder: Path) -> None:
    """For WriteRecords; values of devices are stored."""
    store = opened_in(folder)
    index = store.registry.of(TABLE)
    store.apply(batch_of(index, PARTITION, [0], [Row((), T0, (("v", 1.0),))]))
    second = [Row((), T0 + 1, (("v", "text"), ("w", 1))), Row((), T0 + 2, (("w", 2),)), Row((), T0 + 3, (("v", ""),))]

    outcomes = store.apply(batch_of(index, PARTITION, [1, 1, 1], second, by_version=True)).outcomes.tolist()

    assert outcomes == [Outcome.REJECTED, Outcome.NEW, Outcome.REJECTED]
    assert store.measure_types(TABLE) == {"v": MeasureType.DOUBLE, "w": MeasureType.BIGINT}
    store.advance(PARTITION, 1)
    store.flush()
    assert len(found(store, TABLE)) == 2
    store.close()


@pytest.mark.parametrize(
    ("time_ns", "outcome"),
    [
        (EARLIEST_NS - 1, Outcome.REJECTED),
        (EARLIEST_NS, Outcome.NEW),
        (LATEST_NS, Outcome.NEW),
        (LATEST_NS + 1, Outcome.REJECTED),
    ],
)
def test_times_are_kept_a_second_away_from_the_ends(folder: Path, time_ns: int, outcome: Outcome) -> None:
    store = opened_in(folder)
    batch = batch_of(store.registry.of(TABLE), PARTITION, [0], [Row((), time_ns, (("v", 1.0),))])

    assert store.apply(batch).outcomes.tolist() == [outcome]
    store.close()


def test_a_batch_without_records_changes_nothing(folder: Path) -> None:
    store = opened_in(folder)

    assert len(store.apply(batch_of(store.registry.of(TABLE), PARTITION, [], [])).outcomes) == 0
    assert store.all_tables() == []
    store.close()


def test_a_frame_may_have_more_rows_of_a_table_than_there_are_numbers(folder: Path) -> None:
    store, count = opened_in(folder), (1 << 20) + 10
    index = store.registry.of(TABLE)
    one = batch_of(index, PARTITION, [0], [Row((), T0, (("v", 1.0),))])
    values = {"v": pa.array(np.zeros(count))}
    ones, times = np.ones(count, np.int64), np.arange(T0, T0 + count)
    store.apply(
        RecordBatch(index, PARTITION, ones.astype(np.int32) * 0, times, ones, ones * 0, ones, values, one.types)
    )
    store.advance(PARTITION, 0)
    store.flush()
    store.close()

    store = opened_in(folder)
    assert store.replay_from(PARTITION) == 1
    with store.snapshot("farm") as snapshot:
        assert snapshot.execute(f"SELECT count(*) AS n FROM {snapshot.source(TABLE)}")["n"].to_pylist() == [count]
    store.close()


def test_a_table_of_a_thousand_columns_opens_again(folder: Path) -> None:
    store = opened_in(folder)
    wide = Row((("s", "1"),), T0, tuple((f"measure {n}", float(n)) for n in range(1_100)))
    store.apply(batch_of(store.registry.of(TABLE), PARTITION, [0], [wide]))
    store.advance(PARTITION, 0)
    store.flush()
    store.close()

    store = opened_in(folder)
    assert found(store, TABLE) == [plain(wide)]
    store.close()


def test_folder_names_are_names_of_their_own(folder: Path) -> None:
    names = ["", ".", "..", "_a", "~5Fa", "a b", "a~20b", "a%20b", "a/b", "ü", "ü" * 100, "ü" * 99 + "Ü", "a.b-c_d"]
    folders = [layout.folder_name(name) for name in names]

    assert len(set(folders)) == len(names)
    assert folders[-1] == "a.b-c_d"
    assert all(len(one) <= 255 and "%" not in one and one[:1] not in {".", "_", ""} for one in folders)


def test_a_magnetic_tier_that_deltalake_would_not_find_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MagneticTierError, match=r"a%b.*percent sign"):
        opened_in(tmp_path / "a%b")


@pytest.mark.parametrize(
    "parts",
    [
        ([], [], [], []),
        ([0], [T0], [1, 1], []),
        ([1], [T0], [1], []),
        ([-1], [T0], [1], []),
        ([0], [2**63], [1], []),
        ([0], [T0], [1], [("v", MeasureType.DOUBLE, [])]),
        ([0], [T0], [1], [("v", MeasureType.DOUBLE, ["text"])]),
        ([0], [T0], [1], [("v", MeasureType.BIGINT, [2**63])]),
    ],
)
def test_parts_of_a_request_that_do_not_fit_together_are_damage(parts: tuple[Any, Any, Any, Any]) -> None:
    payload = _encoder.encode(_Payload(1, "d", "t", [("m", [("s", "1")], None)], *parts))
    registry = SeriesRegistry()

    with pytest.raises(DamagedPayload, match="do not fit together"):
        decode_write(payload, "farm", registry, PARTITION, 0, T0)
    assert len(registry.of(TABLE)) == 0
