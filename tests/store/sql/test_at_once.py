"""What is answered at once, without a query process, is what a process answers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sql_database import ACCOUNT, NOW_NS, Database

from store.endpoint import WriteRecord
from store.record import MeasureType
from store.sql import ResultSet, SqlError, SqlRequest, at_once

LISTS = [
    "SHOW DATABASES",
    "show databases LIKE '%b'",
    "SHOW TABLES",
    "SHOW TABLES FROM db LIKE 't_'",
    "DESCRIBE db.t1",
    "DESC db.t2",
    "SHOW TABLES FROM nothing",
    "DESCRIBE db.nothing",
    "SHOW NOTHING",
    "DESCRIBE db",
]
CONSTANTS = [
    "SELECT 1",
    "select 'it''s', '☃', '' AS empty;",
    "SELECT -1, 0, 2147483647, 2147483648, -9223372036854775807",
    "SELECT 1.5, 1e300, -0.0, 0.1, 0.30000000000000004, 123456789.12345679, 5e-324",
    "SELECT true, false AS x, true",
    "SELECT 5m, 1y, 2d",
    "SELECT DATE '2026-09-21', TIMESTAMP '2026-09-21 10:00:00.123456789', TIME '10:00:00'",
    "SELECT 1 LIMIT 3",
    "SELECT 9223372036854775808",
    "SELECT x",
    "SELECT",
]
OTHERS = [
    "SELECT * FROM db.t1",
    "(SELECT 1)",
    "SELECT NULL",
    "SELECT 1 LIMIT 0",
    "SELECT 1 WHERE false",
    "SELECT DISTINCT 1",
    "SELECT 1 ORDER BY 1",
    "SELECT count(*)",
    "SELECT 1 UNION ALL SELECT 2",
    "VALUES 1, 2",
    "WITH q AS (SELECT 1) SELECT 2",
    "SELECT (SELECT 1)",
    "SELECT 1 LIMIT ALL",
    "SELECT 1 FETCH FIRST 1 ROW ONLY",
    "SELECT ARRAY[1, 2]",
    f"SELECT {' + '.join('1' * 300)}",
    f"SELECT '{'x' * 1_000}'",
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Database:
    database = Database(Path(tmp_path_factory.mktemp("at-once")) / "store")
    for table in ("t1", "t2", "other"):
        values = ((f"m_{table}", MeasureType.DOUBLE, 1.0), ("measure_value::bigint", MeasureType.BIGINT, 1))
        database.write("db", table, [WriteRecord((("host", "a"),), "m", NOW_NS - 1, 1, values)])
    return database


def found_at_once(database: Database, text: str) -> ResultSet | None:
    with database.store.lender(ACCOUNT) as lender:
        return at_once(lender, SqlRequest(text, NOW_NS))


def outcome_of(
    ask: Callable[[Database, str], ResultSet | None], database: Database, text: str
) -> ResultSet | str | None:
    """The result, or the error."""
    try:
        return ask(database, text)
    except SqlError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("text", [*LISTS, *CONSTANTS])
def test_lists_and_constants_have_the_values_types_and_errors_of_a_process(tables: Database, text: str) -> None:
    expected, found = (outcome_of(ask, tables, text) for ask in (Database.ask, found_at_once))

    if isinstance(expected, str):
        assert found == expected
        return
    assert isinstance(found, ResultSet)
    assert (found.columns, found.truncated) == (expected.columns, expected.truncated)
    assert found.table == expected.table
    assert list(found.rows()) == list(expected.rows())


@pytest.mark.parametrize("text", OTHERS)
def test_what_reads_rows_or_may_take_long_is_left_to_a_process(tables: Database, text: str) -> None:
    assert found_at_once(tables, text) is None


def test_duckdb_gives_constants_the_same_types(tables: Database) -> None:
    """The tables of these tests are compared with constants that come from the same code; these come from DuckDB."""
    for text in (text for text in CONSTANTS if text.upper().startswith("SELECT ") and text not in CONSTANTS[-3:]):
        found = found_at_once(tables, text.replace(" LIMIT 3", ""))
        computed = tables.ask(f"{text.rstrip(';').replace(' LIMIT 3', '')} WHERE 1 = 1")

        assert found is not None
        assert found.table.schema.types == computed.table.schema.types
        assert [column.type for column in found.columns] == [column.type for column in computed.columns]
        for ours, theirs in zip(found.rows(), computed.rows(), strict=True):
            assert ours == theirs
