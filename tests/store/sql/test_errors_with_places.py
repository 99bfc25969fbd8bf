"""The error of an invalid query says what is wrong and where, in Timestream's wording if that is known."""

import pytest
from sql_database import NOW_NS, Database

from store.endpoint import WriteRecord
from store.engine.interruption import Interruption
from store.record import MeasureType
from store.sql import SqlError
from store.sql.errors import NameNotFound, NotSupported, QueryTimedOut, SyntaxInvalid, TypeMismatch
from store.testing import ask

FROM = 'FROM "db"."t"'


@pytest.fixture(scope="module")
def filled(asked: Database) -> Database:
    values = (("temp", MeasureType.DOUBLE, 21.5), ("n", MeasureType.BIGINT, 3), ("text", MeasureType.VARCHAR, "x"))
    asked.write("db", "t", [WriteRecord((("host", "a"), ("Region", "eu")), "m", NOW_NS, 1, values)])
    return asked


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (f"SELECT regions {FROM}", NameNotFound, "line 1:8: Column 'regions' does not exist (did you mean 'Region'?)"),
        (f"SELECT\n  host,\n    t.nothing {FROM}", NameNotFound, "line 3:5: Column 't.nothing' does not exist"),
        (f"SELECT host {FROM} WHERE temps > 1", NameNotFound, "line 1:33: Column 'temps' does not exist"),
        (
            "SELECT * FROM abc.sampleDB",
            NameNotFound,
            "Requested database 'abc' not found for identifier 'abc.sampleDB' at line 1:15",
        ),
        (
            'SELECT * FROM "db"."no"',
            NameNotFound,
            "Requested table 'no' not found for identifier 'db.no' at line 1:15",
        ),
        ("DESCRIBE db.no", NameNotFound, "Requested table 'no' not found for identifier 'db.no' at line 1:10"),
        ("SELECT * FROM t", NameNotFound, 'line 1:15: Table \'t\' is not qualified; write "database"."t"'),
        ("SELECT 1,\n X'zz'", SyntaxInvalid, "at line 2:2: Binary literal can only contain hexadecimal digits"),
        ("SELECT 'x', X'0'", SyntaxInvalid, "at line 1:13: Binary literal must contain an even number of digits"),
        ("SELECT CAST(X'00' AS VARCHAR)", TypeMismatch, "line 1:13: Cannot cast varbinary to varchar"),
        ("SELECT to_hexa(X'00')", NameNotFound, "line 1:8: Function 'to_hexa' does not exist (did you mean 'to_hex'?)"),
        ("SELECT 1, md5('a')", TypeMismatch, "line 1:11: Unexpected parameters (varchar) for function md5"),
        (
            f"SELECT time AT TIME ZONE 'Europe/Pari' {FROM}",
            TypeMismatch,
            "line 1:26: 'Europe/Pari' is not a valid time zone (did you mean 'Europe/Paris'?)",
        ),
        (
            f"SELECT 1, host AT TIME ZONE 'UTC' {FROM}",
            TypeMismatch,
            "line 1:11: a time zone is that of a timestamp, and this is varchar",
        ),
        (
            f"SELECT time AT TIME ZONE host {FROM}",
            TypeMismatch,
            "line 1:26: a time zone is a constant text, as 'Europe/Paris', not varchar",
        ),
        (
            f"SELECT coalesce(time, time AT TIME ZONE 'UTC') {FROM}",
            TypeMismatch,
            "line 1:8: Unexpected parameters (timestamp, timestamp with time zone) for function coalesce",
        ),
        ("SELECT frobnicate(1)", NameNotFound, "line 1:8: Function 'frobnicate' does not exist"),
        (f"SELECT host {FROM} a, db.t b", NameNotFound, "line 1:8: Column 'host' is ambiguous"),
        (f"SELECT 1 {FROM}, db.t", SyntaxInvalid, "line 1:25: 't' stands twice in FROM; give one an alias"),
        (f"SELECT temp + host {FROM}", TypeMismatch, "line 1:8: '+' cannot be applied to double, varchar"),
        (f"SELECT host {FROM} WHERE time > 'soon'", TypeMismatch, "line 1:33: 'soon' is not a valid timestamp"),
        (f"SELECT host {FROM} WHERE time > 5", TypeMismatch, "line 1:33: '>' cannot be applied to timestamp, integer"),
        (
            f"SELECT bin(time, 5) {FROM}",
            TypeMismatch,
            "line 1:8: Unexpected parameters (timestamp, integer) for function bin",
        ),
        (f"SELECT avg(host) {FROM}", TypeMismatch, "line 1:8: Unexpected parameters (varchar) for function avg"),
        (
            f"SELECT host, max(temp) {FROM}",
            TypeMismatch,
            "line 1:8: 'host' must be an aggregate expression or appear in GROUP BY clause",
        ),
        (
            f"SELECT Region {FROM} GROUP BY Region HAVING temp > 1",
            TypeMismatch,
            "line 1:52: 'temp' must be an aggregate expression or appear in GROUP BY clause",
        ),
        (
            f"SELECT host {FROM} WHERE max(temp) > 1",
            SyntaxInvalid,
            "line 1:33: WHERE clause cannot contain aggregations, window functions or grouping operations",
        ),
        (f"SELECT host {FROM} ORDER BY 2", TypeMismatch, "line 1:36: ORDER BY position 2 is not in select list"),
        (f"SELECT host {FROM} WHERE temp", TypeMismatch, "line 1:33: WHERE clause needs a boolean, and this is double"),
        (f"SELECT 5x {FROM}", SyntaxInvalid, "line 1:8: '5x' is neither a column nor an interval such as 5m or 1day"),
        ("SELECT 99999999999999999999", TypeMismatch, "line 1:8: 99999999999999999999 is out of the range of bigint"),
        (
            "SELECT ago(200000d) - 200000d",
            TypeMismatch,
            "line 1:12: 17280000000000000000 is out of the range of interval day to second",
        ),
        ("SELECT 1 UNION SELECT 1, 2", TypeMismatch, "line 1:8: UNION query has different number of fields: 1, 2"),
        ("SELECT a::double", SyntaxInvalid, "'::' is only part of a column name"),
        ("SELECT 'abc", SyntaxInvalid, "The query syntax is invalid at line 1:8: a quote or a comment is not closed"),
        ("SELECT 1 FRM x y", SyntaxInvalid, "The query syntax is invalid at line 1:14: mismatched input 'x'"),
        *(
            (text, SyntaxInvalid, f"The query syntax is invalid at line 1:{message}")
            for text, message in (
                ("SELECT", "1: SELECT needs at least one column"),
                ("SELECT 'it''s' || \"a", "19: a quote or a comment is not closed"),
                ("SELECT 1 /* one", "10: a quote or a comment is not closed"),
                ("SELECT 1 FROM", "14: mismatched input '<EOF>'"),
                ("SELECT (1", "10: mismatched input '<EOF>'. Expecting: ')'"),
                ("SELECT 1)", "9: mismatched input ')'"),
                ("WITH a AS SELECT 1 SELECT 2", "11: mismatched input 'SELECT'. Expecting: '('"),
                ("SELECT 1, FROM db.t", "11: mismatched input 'FROM' after ','"),
                ("SELECT lower(',' , )", "20: mismatched input ')' after ','"),
                ("SELECT 1 == 2", "10: mismatched input '=='. Expecting: '='"),
                ("SELECT rank() OVER FROM db.t", "15: mismatched input 'OVER'. Expecting: 'OVER (…)'"),
                ("SELECT ago(1 h)", "14: mismatched input 'h'. Expecting: ')' (an interval has no space: 1h)"),
                ("SELECT measure_value::duble", "23: mismatched input 'duble'. Expecting: 'double', 'bigint'"),
                ("SELECT CAST(1 AS INTEGERR)", "18: mismatched input 'INTEGERR'. Expecting: a type"),
                ("EXPLAIN SHOW TABLES", "9: mismatched input 'SHOW'. Expecting: 'SELECT', 'WITH', 'VALUES'"),
                ("SELECT 1 IN ()", "8: IN needs at least one value"),
                ("SELECT 1 IS 2", "8: IS is followed by NULL, NOT NULL"),
                ("SELECT 1 FROM db.t.u", '15: a table is named "database"."table", in two parts'),
                ("SELECT 1 FROM db.t JOIN db.t AS b", "25: a JOIN needs ON; without one write CROSS JOIN"),
            )
        ),
        (
            f'SELECT host {FROM} WHERE host = "a"',
            NameNotFound,
            "Column 'a' does not exist (a text is in single quotes: 'a')",
        ),
        ("SELECT ifnull(1, 2)", NameNotFound, "Function 'ifnull' does not exist (here it is coalesce)"),
        (
            "SELECT ago('1h')",
            TypeMismatch,
            "line 1:8: Unexpected parameters (varchar) for function ago. Expected: ago(interval day to second)",
        ),
        ("SELECT zip(1)", TypeMismatch, "Expected: zip(array(a), array(b)), zip(array(a), array(b), array(c))"),
        ("SELECT map_keys(1)", TypeMismatch, "Expected: map_keys(map(k, v))"),
        ("SELECT concat(1)", TypeMismatch, "Expected: concat(varchar, varchar, …), concat(varbinary, varbinary, …)"),
        ("SELECT 1; SELECT 2", SyntaxInvalid, "line 1:9: mismatched input ';'"),
        ("", SyntaxInvalid, "line 1:1: mismatched input '<EOF>'. Expecting: 'SELECT'"),
        ("  -- nothing\n", SyntaxInvalid, "line 2:1: mismatched input '<EOF>'"),
        ("SHOW COLUMNS FROM db.t", SyntaxInvalid, "line 1:6: mismatched input 'COLUMNS'. Expecting: 'DATABASES'"),
        ("SHOW TABLES FROM nowhere", NameNotFound, "Requested database 'nowhere' not found"),
        ("UNLOAD (SELECT 1) TO 's3://b'", NotSupported, "UNLOAD is only offered by Query of Timestream's protocol"),
        (
            f"SELECT host {FROM} WHERE rank() OVER (ORDER BY temp) = 1",
            SyntaxInvalid,
            "line 1:33: WHERE clause cannot contain aggregations, window functions or grouping operations",
        ),
        (f"SELECT rank() {FROM}", SyntaxInvalid, "line 1:8: rank is a window function and needs OVER (…)"),
        (f"SELECT lower(host) OVER () {FROM}", SyntaxInvalid, "OVER stands after an aggregate or a window function"),
        (f"SELECT sum(temp) OVER (ROWS n PRECEDING) {FROM}", NotSupported, "This frame of ROWS is not offered yet"),
        (
            "SELECT create_time_series(1)",
            TypeMismatch,
            "line 1:8: Unexpected parameters (integer) for function create_time",
        ),
        ("SELECT apox_distinct(1)", NameNotFound, "does not exist (did you mean 'approx_distinct'?)"),
        ("SELECT date_format(now(), '%Q')", TypeMismatch, "line 1:8: %Q is not a specifier known here; there are a b"),
        ("SHOW TABLES LIKE 'a!b' ESCAPE '!'", SyntaxInvalid, "line 1:18: Escape character must be followed by '%'"),
        ("SHOW TABLES LIKE 'a' ESCAPE 'xy'", SyntaxInvalid, "line 1:29: Escape string must be a single character"),
        (
            f"SELECT host {FROM} TABLESAMPLE (10)",
            SyntaxInvalid,
            "TABLESAMPLE needs a method, BERNOULLI or SYSTEM",
        ),
        (f"SELECT host {FROM} OFFSET n", SyntaxInvalid, "OFFSET takes a whole number"),
        (
            f"SELECT a.host {FROM} a JOIN db.t b USING (nowhere)",
            NameNotFound,
            "Column 'nowhere' does not exist on the left side",
        ),
    ],
)
def test_a_wrong_query_says_what_and_where(filled: Database, text: str, kind: type[SqlError], message: str) -> None:
    with pytest.raises(SqlError) as caught:
        filled.ask(text)

    assert type(caught.value) is kind
    assert message in caught.value.message
    if message.startswith("line "):
        assert message.startswith(f"line {caught.value.line}:{caught.value.column}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1/0", "Division by zero"),
        ("SELECT n % (n - 3) FROM db.t", "Division by zero"),
        ("SELECT CAST(text AS bigint) FROM db.t", "Cannot cast 'x' to bigint"),
        ("SELECT CAST('5.5' AS bigint)", "Cannot cast '5.5' to bigint"),
        ("SELECT CAST('abc' AS double)", "Cannot cast 'abc' to double"),
        ("SELECT 9223372036854775807 + n FROM db.t", "Overflow in addition of INT64"),
        ("SELECT (SELECT x FROM (VALUES 1, 2) AS t(x))", "Scalar sub-query has returned multiple rows"),
        ("SELECT regexp_like('a', '(')", "Invalid regular expression: missing )"),
        ("SELECT regexp_like('a', '(?=a)')", "Invalid regular expression: invalid perl operator: (?="),
        *(
            (f"SELECT approx_percentile(n, {ratio}) FROM db.t", "Percentile must be between 0 and 1")
            for ratio in ("95", "-0.5", "ARRAY[0.5, -0.5]")
        ),
    ],
)
def test_a_query_that_fails_on_its_data_says_why_without_the_generated_text(
    filled: Database, text: str, message: str
) -> None:
    with pytest.raises(SqlError) as caught:
        filled.ask(text)

    assert message in caught.value.message
    assert "t0" not in caught.value.message


def test_a_query_that_takes_too_long_is_ended(filled: Database) -> None:
    numbers = ", ".join(["(1)"] * 300)
    text = f"WITH a(x) AS (SELECT * FROM (VALUES {numbers}) AS v(x)) SELECT count(*) FROM a p, a q, a r, a s, a t "
    text += "WHERE p.x + q.x + r.x + t.x > s.x"

    with Interruption(timeout_s=1), pytest.raises(QueryTimedOut, match="The query ran longer than 1 s and was ended"):
        ask(filled.store, "acme", text, now_ns=NOW_NS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT " + "(" * 129 + "1" + ")" * 129, "nested deeper than 128 levels"),
        ("SELECT " + "NOT " * 200 + "true", "nested deeper than 128 levels"),
        ("SELECT '" + "x" * 262_144 + "'", "The query is 262153 bytes long; 262144 are allowed"),
        ("SELECT " + "bin(" * 31 + "now()" + ", 1s)" * 31, ""),
        (
            "SELECT " + "bin(" * 31 + "time" + ", 1s)" * 31 + " FROM db.t",
            "An expression of this size is not offered",
        ),
        ("SELECT " + " + ".join(["1"] * 5_000), "nested too deeply"),
        ("SELECT concat(" + ", ".join(["'a'"] * 5_000) + ")", "nested too deeply"),
        ("SELECT 1 WHERE " + " AND ".join(["1 = 1"] * 12_000), "has 48002 words, .* 45000 are allowed"),
        ("SELECT " + ", ".join(["a AS b"] * 5_500), "has 11001 names, keywords and signs; 10500 are allowed"),
        ("SELECT " + ", ".join(["1"] * 10_001), "SELECT has 10001 columns; 10000 are allowed"),
        ("SELECT 1 FROM " + ", ".join(f"(VALUES 1) AS v{n}(x)" for n in range(101)), "more than 100 tables"),
        *(
            (text.format("1" * 401), "a number of 40[1-9] digits; 400 are allowed")
            for text in ("SELECT {}", "SELECT 1 LIMIT {}", "SELECT 1 ORDER BY {}", "SELECT {}.5", "SELECT 1e{}")
        ),
        *(
            (text.format(number), f"line 1:{place}: '{number}' is not a number")
            for text, place in (("SELECT {}", 8), ("SELECT 1 LIMIT {}", 16), ("SELECT 1 ORDER BY {}", 19))
            for number in ("5e", "1.e", "11e999-1")
        ),
        ("SELECT INTERVAL '" + "1" * 250_000 + "' DAY", "a number of 250000 digits"),
        ("SELECT parse_duration('" + "1" * 5_000 + "d')", "is not a duration such as '1day' or '1.5h'"),
        ("SELECT", "SELECT needs at least one column"),
        ("SELECT '\ud800'", "line 1:9: half of a surrogate pair"),
        ('DESCRIBE db."\udfff"', "line 1:14: half of a surrogate pair"),
    ],
)
def test_size_and_depth_are_limited(filled: Database, text: str, message: str) -> None:
    if not message:
        assert filled.rows(text)
        return

    with pytest.raises(SqlError, match=message):
        filled.ask(text)


def test_depth_and_size_within_the_limits_are_fine(filled: Database) -> None:
    assert filled.value("SELECT " + "(" * 128 + "1" + ")" * 128) == "1"
    assert filled.value("SELECT '" + "x" * 262_000 + "'") == "x" * 262_000
    hosts = " OR ".join(f"host = '{number}'" for number in range(2_000))
    assert filled.rows(f"SELECT n FROM db.t WHERE {hosts} OR host = 'a'") == [("3",)]
