"""Counts, and first and last times, come from statistics of files where these are sure, else from rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sql_database import ACCOUNT, NOW_NS, Database

from store.endpoint import WriteRecord
from store.reading.scan import Selection
from store.reading.snapshot import Snapshot
from store.reading.statistics import Counted, counted
from store.record import MeasureType, TableId
from store.sql import SqlRequest, from_summaries

TABLE = TableId(ACCOUNT, "db", "t")
MINUTE_NS = 60_000_000_000
SQL = "SELECT count(*), min(time), max(time) FROM db.t"


def write(db: Database, minutes: int, value: float = 1.0, version: int = 1) -> None:
    values = (("temp", MeasureType.DOUBLE, value),)
    time_ns = NOW_NS - minutes * MINUTE_NS
    db.write("db", "t", [WriteRecord((("host", f"h{of}"),), "m", time_ns, version, values) for of in range(10)])


def flush_and_read(db: Database) -> None:
    """Flush, and read all files once, as the maintenance does."""
    db.store.flush()
    used = db.store.opened(TABLE)
    assert used is not None
    for _ in used.files():
        used.newest().data.check_next(used.newest().version.files)


def divided(snapshot: Snapshot, selection: Selection, *names: str) -> Counted:
    columns = snapshot.schema("db", "t").columns
    measures = [column for name in names for column in columns if column.name == name]
    return counted(snapshot._view(*snapshot._ask(TABLE, selection, ())), selection, measures)


def answer(db: Database, sql: str = SQL) -> tuple[object, ...]:
    with db.store.snapshot(ACCOUNT) as snapshot:
        found = from_summaries(snapshot, SqlRequest(sql, NOW_NS))
    assert found is not None
    (row,) = found.rows()
    assert [row] == db.rows(sql.replace("FROM db.t", "FROM (SELECT * FROM db.t)"))
    return row


@pytest.fixture
def two_files(tmp_path: Path) -> Database:
    """Rows of an hour ago and of half an hour ago in a file each, and of now in RAM."""
    db = Database(tmp_path)
    for minutes in (60, 30):
        write(db, minutes)
        flush_and_read(db)
    write(db, 0)
    return db


def test_rows_are_counted_without_reading_them(two_files: Database) -> None:
    with two_files.store.snapshot(ACCOUNT) as snapshot:
        found = divided(snapshot, Selection())

    assert (found.rows, found.others.version.files) == (20, ())
    assert answer(two_files) == ("30", "2026-09-21 13:13:20.123456789", "2026-09-21 14:13:20.123456789")
    two_files.store.close()


@pytest.mark.parametrize(
    ("from_ns", "to_ns", "rows"),
    [
        (-30 * MINUTE_NS - 789, 0, 10),  # the range of a file is that of its whole microseconds
        (-30 * MINUTE_NS - 788, 0, 0),
        (-30 * MINUTE_NS, 0, 0),
        (-60 * MINUTE_NS - 789, -30 * MINUTE_NS + 210, 10),
        (-60 * MINUTE_NS - 789, -30 * MINUTE_NS + 211, 20),
    ],
)
def test_a_file_is_counted_if_its_whole_range_is_asked_for(
    two_files: Database, from_ns: int, to_ns: int, rows: int
) -> None:
    selection = Selection(NOW_NS + from_ns, NOW_NS + to_ns)
    with two_files.store.snapshot(ACCOUNT) as snapshot:
        assert divided(snapshot, selection).rows == rows

    bounds = f"time >= from_nanoseconds({selection.from_ns}) AND time < from_nanoseconds({selection.to_ns})"
    answer(two_files, f"{SQL} WHERE {bounds}")
    two_files.store.close()


def test_a_file_with_a_replaced_row_in_its_range_is_read(two_files: Database) -> None:
    write(two_files, 30, 2.0, version=2)
    flush_and_read(two_files)

    with two_files.store.snapshot(ACCOUNT) as snapshot:
        assert divided(snapshot, Selection()).rows == 10  # of an hour ago: the newest file has the later versions, too
    assert answer(two_files)[0] == "30"
    two_files.store.close()


def test_a_damaged_file_is_found_not_counted(tmp_path: Path) -> None:
    db = Database(tmp_path)
    write(db, 30)
    db.store.flush()
    (file,) = tmp_path.rglob("*.parquet")
    content = bytearray(file.read_bytes())
    content[4:40] = bytes(36)
    file.write_bytes(content)

    assert answer(db)[0] == "10"  # rows that RAM still had
    assert not file.exists()
    db.store.close()


OF_MEASURES = "SELECT count(*), count(temp), min(temp), max(temp), min(n), max(n), count(n), max(time) FROM db.t"


def write_values(db: Database, minutes: int, **values: float) -> None:
    kinds = {
        name: MeasureType.BIGINT if isinstance(value, int) else MeasureType.DOUBLE for name, value in values.items()
    }
    of = tuple((name, kinds[name], value) for name, value in values.items())
    db.write("db", "t", [WriteRecord((("host", "h"),), "m", NOW_NS - minutes * MINUTE_NS, 1, of)])


def test_values_of_measures_are_counted_without_reading_them(tmp_path: Path) -> None:
    db = Database(tmp_path)
    for minutes, values in {90: {"temp": -1.5}, 60: {"temp": 1e300, "n": 2**53 + 1}, 30: {"n": -(2**63)}}.items():
        write_values(db, minutes, **values)
        flush_and_read(db)
    write_values(db, 0, n=2**63 - 1)

    with db.store.snapshot(ACCOUNT) as snapshot:
        found = divided(snapshot, Selection(), "temp", "n")
        assert (found.rows, found.others.version.files) == (3, ())
    assert answer(db, OF_MEASURES)[:4] == ("4", "2", "-1.5", "1.0E300")
    assert answer(db, OF_MEASURES)[4:7] == (str(-(2**63)), str(2**63 - 1), "3")
    assert answer(db, f"{OF_MEASURES} WHERE time < ago(45m)")[4:7] == (str(2**53 + 1), str(2**53 + 1), "1")
    assert answer(db, f"{OF_MEASURES} WHERE time < ago(5h)")[:4] == ("0", "0", None, None)
    (told,) = db.rows(f"EXPLAIN {OF_MEASURES}")
    assert told[5:9] == ("0", "0", "3", "1")
    db.store.close()


def test_of_a_replaced_value_only_the_new_one_counts(two_files: Database) -> None:
    write(two_files, 30, -7.0, version=2)
    flush_and_read(two_files)

    assert answer(two_files, "SELECT count(temp), min(temp), max(temp) FROM db.t") == ("30", "-7.0", "1.0")
    two_files.store.close()


@pytest.mark.parametrize(("values", "told"), [([0.0], "0.0"), ([-0.0], "-0.0"), ([0.0, 3.0], "0.0")])
def test_the_sign_of_zero_is_read(tmp_path: Path, values: list[float], told: str) -> None:
    """Parquet's statistics have -0.0 for a least value of 0.0."""
    db = Database(tmp_path)
    for minutes, value in enumerate(values):
        write_values(db, minutes, temp=value)
    flush_and_read(db)

    with db.store.snapshot(ACCOUNT) as snapshot:
        assert divided(snapshot, Selection(), "temp").rows == 0
    assert answer(db, "SELECT min(temp) FROM db.t") == (told,)
    db.store.close()


@pytest.mark.parametrize(
    "sql",
    [
        f"{SQL} WHERE host = 'h1'",
        f"{SQL} WHERE measure_name = 'm'",
        f"{SQL} WHERE temp > 0",
        "SELECT avg(temp) FROM db.t WHERE temp > 0",
        "SELECT max(host) FROM db.t",
        "SELECT count(*) FROM db.t GROUP BY host",
        "SELECT count(*) FROM db.t GROUP BY bin(time, 1m)",
    ],
)
def test_what_statistics_do_not_say_is_left_to_rows(two_files: Database, sql: str) -> None:
    with two_files.store.snapshot(ACCOUNT) as snapshot:
        assert from_summaries(snapshot, SqlRequest(sql, NOW_NS)) is None
    two_files.store.close()
