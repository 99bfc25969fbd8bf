"""Times by the clocks of a zone: stored rows, their groups, bounds, and the form in results."""

import pyarrow as pa
import pytest
from sql_database import Database

from pipeline.api.http.results import parts
from store.endpoint import WriteRecord
from store.record import MeasureType
from store.sql.literals import parse_timestamp

# around the end of summer time in Paris on 2025-10-26, when 02:00 to 03:00 comes twice
TIMES = (
    "2025-10-25 21:30",
    "2025-10-25 22:30",
    "2025-10-26 00:30:00.000000001",
    "2025-10-26 01:30",
    "2025-10-26 23:10",
)


@pytest.fixture(scope="module")
def filled(asked: Database) -> Database:
    records = [
        WriteRecord((("host", "a"),), "m", parse_timestamp(time) or 0, 1, (("n", MeasureType.BIGINT, number),))
        for number, time in enumerate(TIMES)
    ]
    asked.write("db", "t", records)
    return asked


def test_groups_by_day_begin_at_midnight_of_the_zone(filled: Database) -> None:
    text = "SELECT date_trunc('day', time AT TIME ZONE 'Europe/Paris') AS d, count(*) FROM db.t GROUP BY 1 ORDER BY 1"

    assert filled.rows(text) == [
        ("2025-10-25 00:00:00.000000000 Europe/Paris", "1"),
        ("2025-10-26 00:00:00.000000000 Europe/Paris", "3"),
        ("2025-10-27 00:00:00.000000000 Europe/Paris", "1"),
    ]


def test_an_hour_that_comes_twice_is_two_groups(filled: Database) -> None:
    text = """SELECT hour(z), count(*), min(z) FROM (SELECT time AT TIME ZONE 'Europe/Paris' AS z FROM db.t)
        WHERE z >= '2025-10-26' AND z < '2025-10-26 12:00' GROUP BY hour(z), date_trunc('hour', z) ORDER BY 3"""

    assert filled.rows(text) == [
        ("2", "1", "2025-10-26 02:30:00.000000001 Europe/Paris"),
        ("2", "1", "2025-10-26 02:30:00.000000000 Europe/Paris"),
    ]


def test_arrow_has_the_zone(filled: Database) -> None:
    result = filled.ask("SELECT max(time) AT TIME ZONE 'Europe/Paris' AS z, max(time) AT TIME ZONE '+05:30' FROM db.t")

    with pa.ipc.open_stream(b"".join(parts(result, "arrow"))) as stream:
        table = stream.read_all()

    assert table.schema.types == [pa.timestamp("ns", "Europe/Paris"), pa.timestamp("ns", "+05:30")]
    assert [column.type.text for column in result.columns] == ["timestamp with time zone"] * 2
