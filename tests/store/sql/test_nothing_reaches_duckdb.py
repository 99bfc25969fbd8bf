"""For any query, DuckDB gets only what was bound: no function, table, setting or file from the user's text."""

from pathlib import Path

import pytest
from sql_database import NOW_NS, Database

from store.endpoint import WriteRecord
from store.record import MeasureType
from store.sql import SqlError


@pytest.fixture(scope="module")
def filled(asked: Database) -> Database:
    asked.write("db", "t", [WriteRecord((("host", "a"),), "m", NOW_NS, 1, (("temp", MeasureType.DOUBLE, 21.5),))])
    return asked


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        'SELECT * FROM "/etc/passwd"',
        'SELECT * FROM "x"."/etc/passwd"',
        "SELECT * FROM read_parquet('x'), glob('*')",
        "SELECT read_text('/etc/passwd')",
        "SELECT getenv('HOME')",
        "SELECT current_setting('memory_limit')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM main.sqlite_master",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM memory.t",
        "PRAGMA database_list",
        "ATTACH 'x.db' AS x",
        "COPY db.t TO 'x.csv'",
        "SET memory_limit='1GB'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CALL pragma_version()",
        "CREATE TABLE x (a INTEGER)",
        "INSERT INTO db.t VALUES (1)",
        "DELETE FROM db.t",
        "UPDATE db.t SET host = 'x'",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN DROP TABLE x",
        "EXPLAIN EXPLAIN SELECT 1",
        "EXPORT DATABASE 'x'",
        "WITH x AS (DELETE FROM db.t) SELECT 1",
        "SELECT 1 INTO OUTFILE 'x'",
        "SELECT query('SELECT 1')",
        "SELECT error('x')",
        "SELECT list_transform([1], x -> x)",
        "SELECT {'a': 1}",
        "SELECT t.host.length() FROM db.t",
        "SELECT host COLLATE nocase FROM db.t",
        "SELECT COLUMNS('.*') FROM db.t",
        "SELECT * EXCLUDE (host) FROM db.t",
        "SELECT * REPLACE (1 AS host) FROM db.t",
        "SELECT rowid FROM db.t",
        "SELECT time_ns FROM db.t",
        "FROM db.t",
        "SELECT $1",
        "SELECT ?",
        "SELECT @x",
        "SELECT (SELECT 1 FROM sqlite_master)",
        "SELECT * FROM LATERAL generate_series(1, 2)",
        "SELECT * FROM (PIVOT db.t ON host)",
        "SELECT 1 /* */; DROP TABLE x; --",
    ],
)
def test_it_is_refused(filled: Database, text: str) -> None:
    with pytest.raises(SqlError):
        filled.ask(text)


@pytest.mark.parametrize(
    "value",
    [
        "'; DROP TABLE x; --",
        "''",
        "\\'",
        "a'b\"c`d",
        "/* */ -- \n",
        "{0}{now_ns}{*}",
        "%s $1 ?",
        "\x01\ud7ff☃\U0001f600",
    ],
)
def test_texts_stay_texts(filled: Database, value: str) -> None:
    literal = "'" + value.replace("'", "''") + "'"

    assert filled.value(f"SELECT {literal}") == value
    assert filled.rows(f"SELECT temp FROM db.t WHERE host = {literal}") == []
    assert filled.value(f"SELECT concat({literal}, '|', {literal})") == f"{value}|{value}"


def test_names_of_columns_stay_names(db: Database) -> None:
    names = ["a b", "it's", "x;y", "c0", "t0", "SELECT", "Time", "A", "a", "{0}"]
    values = tuple((name, MeasureType.DOUBLE, float(number)) for number, name in enumerate(names))
    db.write("db", "t", [WriteRecord((), "m", NOW_NS, 1, values)])

    quoted = ", ".join(f'"{name}"' for name in names)
    result = db.ask(f"SELECT {quoted} FROM db.t")

    assert [column.name for column in result.columns] == names
    assert list(result.rows()) == [tuple(str(float(number)) for number in range(len(names)))]


def test_aliases_are_only_ever_names_of_the_result(filled: Database, tmp_path: Path) -> None:
    result = filled.ask('SELECT 1 AS "x; DROP TABLE t; --", host AS "c0""\'", temp AS temp FROM db.t ORDER BY "c0""\'"')

    assert [column.name for column in result.columns] == ["x; DROP TABLE t; --", "c0\"'", "temp"]


def test_other_accounts_have_other_tables(filled: Database) -> None:
    from store.testing import ask

    with pytest.raises(SqlError, match="Requested database 'db' not found"):
        ask(filled.store, "someone-else", "SELECT * FROM db.t", now_ns=NOW_NS)
