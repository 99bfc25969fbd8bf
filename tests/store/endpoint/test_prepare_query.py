"""PrepareQuery says what columns and parameters a statement has, without reading."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from timestream_service import NOW_NS

TABLE = {"DatabaseName": "db", "TableName": "t"}


@pytest.fixture
def filled(write: Any) -> None:
    write.create_database(DatabaseName="db")
    write.create_table(**TABLE)
    record = {
        "Dimensions": [{"Name": "host", "Value": "a"}],
        "MeasureName": "cpu",
        "MeasureValue": "1",
        "Time": str(NOW_NS // 1_000_000),
    }
    write.write_records(**TABLE, Records=[record])


def prepared(query: Any, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = query.prepare_query(QueryString=text, ValidateOnly=True)
    assert answer["QueryString"] == text
    return answer


def types_of(entries: list[dict[str, Any]]) -> dict[str, str]:
    return {entry["Name"]: entry["Type"]["ScalarType"] for entry in entries}


@pytest.mark.usefixtures("filled")
def test_columns_say_where_they_come_from_and_who_named_them(query: Any) -> None:
    text = 'SELECT host, time AS at, avg(measure_value::double) OVER () AS mean, 1 FROM "db"."t"'

    columns = prepared(query, text)["Columns"]

    assert types_of(columns) == {"host": "VARCHAR", "at": "TIMESTAMP", "mean": "DOUBLE", "_col3": "INTEGER"}
    assert [column.get("TableName") for column in columns] == ["t", "t", None, None]
    assert [column["Aliased"] for column in columns] == [False, True, True, False]


@pytest.mark.usefixtures("filled")
def test_a_star_is_all_columns_of_the_table(query: Any) -> None:
    columns = prepared(query, "SELECT * FROM db.t")["Columns"]

    assert [column["Name"] for column in columns] == ["host", "measure_name", "time", "measure_value::double"]
    assert {column["DatabaseName"] for column in columns} == {"db"}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("condition", "types"),
    [
        ("measure_value::double > @limit", {"limit": "DOUBLE"}),
        ("host = @a AND host <> @a", {"a": "VARCHAR"}),
        ("host IN (@a, 'x')", {"a": "VARCHAR"}),
        ("host LIKE @pattern", {"pattern": "VARCHAR"}),
        ("time BETWEEN @from AND @to", {"from": "TIMESTAMP", "to": "TIMESTAMP"}),
        ("time > @scheduled_runtime - 5m", {"scheduled_runtime": "TIMESTAMP"}),
        ("@is_wanted", {"is_wanted": "BOOLEAN"}),
        ("lower(@a) = host", {"a": "VARCHAR"}),
        ("@nothing IS NULL", {"nothing": "UNKNOWN"}),
        ("time > (SELECT min(time) FROM db.t WHERE host = @inner)", {"inner": "VARCHAR"}),
        ("true", {}),
    ],
)
def test_a_parameter_has_the_type_that_its_use_needs(query: Any, condition: str, types: dict[str, str]) -> None:
    answer = prepared(query, f"SELECT host FROM db.t WHERE {condition}")

    assert types_of(answer["Parameters"]) == types


@pytest.mark.usefixtures("filled")
def test_parameters_are_in_the_order_of_the_text(query: Any) -> None:
    text = "SELECT @z AS z, @a AS a FROM db.t WHERE host = @m AND time > @a"

    answer = prepared(query, text)

    assert types_of(answer["Parameters"]) == {"z": "UNKNOWN", "a": "TIMESTAMP", "m": "VARCHAR"}
    assert [parameter["Name"] for parameter in answer["Parameters"]] == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"QueryString": "SELECT 1"}, "only supported with ValidateOnly set to true"),
        ({"QueryString": "SELECT 1", "ValidateOnly": False}, "only supported with ValidateOnly set to true"),
        ({"QueryString": "SELEC 1", "ValidateOnly": True}, "The query syntax is invalid at line 1:1"),
        ({"QueryString": "SELECT x", "ValidateOnly": True}, "Column 'x' does not exist"),
    ],
)
def test_what_cannot_be_prepared_is_refused(query: Any, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        query.prepare_query(**request_)


def test_a_query_with_a_parameter_is_refused(query: Any) -> None:
    with pytest.raises(ClientError, match="Parameter '@x' has no value: only PrepareQuery takes parameters"):
        query.query(QueryString="SELECT @x")


def test_a_show_is_described(query: Any) -> None:
    assert types_of(prepared(query, "SHOW DATABASES")["Columns"]) == {"Database": "VARCHAR"}
