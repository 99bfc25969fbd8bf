"""boto3's unmodified clients, given only `endpoint_url`, work as with the real service."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from timestream_service import ACCOUNT, NOW_NS, Service

from store.endpoint.arns import account_number

NOW_MS = NOW_NS // 1_000_000
BINNED = """SELECT BIN(time, 5m) AS binned_time, AVG(measure_value::double) AS avg_cpu
FROM "MyDatabase"."MyTable" WHERE measure_name = 'CPUUtilization' AND time > ago(6h)
GROUP BY binned_time ORDER BY binned_time"""


def cpu(minutes_ago: float, value: float, host: str = "h1", **more: Any) -> dict[str, Any]:
    return {
        "Dimensions": [{"Name": "host", "Value": host}],
        "MeasureName": "CPUUtilization",
        "MeasureValue": str(value),
        "Time": str(NOW_MS - int(minutes_ago * 60_000)),
        **more,
    }


@pytest.fixture
def made(write: Any) -> Any:
    write.create_database(DatabaseName="MyDatabase")
    write.create_table(DatabaseName="MyDatabase", TableName="MyTable")
    return write


def ingest(write: Any, *records: dict[str, Any], **more: Any) -> Any:
    return write.write_records(DatabaseName="MyDatabase", TableName="MyTable", Records=list(records), **more)


def test_a_round_trip_with_the_question_everyone_asks(made: Any, query: Any) -> None:
    answer = ingest(made, cpu(1, 10), cpu(2, 20), cpu(4, 30), cpu(6, 40.5, "h2"))

    assert answer["RecordsIngested"] == {"Total": 4, "MemoryStore": 4, "MagneticStore": 0}
    result = query.query(QueryString=BINNED)
    assert [column["Name"] for column in result["ColumnInfo"]] == ["binned_time", "avg_cpu"]
    assert [column["Type"] for column in result["ColumnInfo"]] == [
        {"ScalarType": "TIMESTAMP"},
        {"ScalarType": "DOUBLE"},
    ]
    assert [[datum["ScalarValue"] for datum in row["Data"]] for row in result["Rows"]] == [
        ["2026-09-21 14:05:00.000000000", "35.25"],
        ["2026-09-21 14:10:00.000000000", "15.0"],
    ]
    assert result["QueryStatus"]["ProgressPercentage"] == 100.0
    assert len(result["QueryId"]) <= 64
    assert len(result["ResponseMetadata"]["RequestId"]) == 26


def test_describe_endpoints_names_this_server(write: Any, query: Any, url: str) -> None:
    for client in (write, query):
        (endpoint,) = client.describe_endpoints()["Endpoints"]

        assert endpoint["Address"] == url
        assert endpoint["CachePeriodInMinutes"] == 1440


def test_rejected_records_reach_the_client_and_the_others_are_stored(made: Any, query: Any) -> None:
    with pytest.raises(made.exceptions.RejectedRecordsException) as caught:
        ingest(made, cpu(1, 1), cpu(7 * 60, 2), cpu(-16, 3), cpu(2, 4))

    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 419
    assert [record["RecordIndex"] for record in response["RejectedRecords"]] == [1, 2]
    assert response["RejectedRecords"][0]["Reason"] == (
        "The record timestamp is outside the time range "
        "[2026-09-21T08:13:20.123Z, 2026-09-21T14:28:20.123Z) of the memory store."
    )
    result = query.query(QueryString='SELECT count(*), sum(measure_value::double) FROM "MyDatabase"."MyTable"')
    assert result["Rows"] == [{"Data": [{"ScalarValue": "2"}, {"ScalarValue": "5.0"}]}]


def test_version_errors_have_the_services_wording(made: Any, query: Any) -> None:
    ingest(made, cpu(1, 10, Version=2))

    ingest(made, cpu(1, 10, Version=2))  # a retry is fine
    with pytest.raises(made.exceptions.RejectedRecordsException) as lower:
        ingest(made, cpu(1, 11, Version=1))
    with pytest.raises(made.exceptions.RejectedRecordsException) as same:
        ingest(made, cpu(1, 11, Version=2))
    ingest(made, cpu(1, 12, Version=3))

    assert lower.value.response["RejectedRecords"] == [
        {
            "RecordIndex": 0,
            "Reason": "The record version 1 is lower than the existing version 2. "
            "A higher version is required to update the measure value.",
            "ExistingVersion": 2,
        }
    ]
    assert same.value.response["RejectedRecords"][0]["Reason"].startswith(
        "A record already exists with the same time, dimensions, measure name, and record version."
    )
    result = query.query(QueryString='SELECT measure_value::double FROM "MyDatabase"."MyTable"')
    assert result["Rows"] == [{"Data": [{"ScalarValue": "12.0"}]}]


def test_a_result_is_fetched_in_pages_by_the_paginator(made: Any, query: Any) -> None:
    ingest(made, *(cpu(minute, minute) for minute in range(90)))
    text = 'SELECT measure_value::double FROM "MyDatabase"."MyTable" ORDER BY 1'

    pages = list(query.get_paginator("query").paginate(QueryString=text, MaxRows=40))

    assert [len(page["Rows"]) for page in pages] == [40, 40, 10]
    values = [float(row["Data"][0]["ScalarValue"]) for page in pages for row in page["Rows"]]
    assert values == [float(minute) for minute in range(90)]
    assert len({page["QueryId"] for page in pages}) == 1


def test_multi_measure_records_of_every_type(made: Any, query: Any) -> None:
    record = {
        "Dimensions": [{"Name": "host", "Value": "h"}],
        "MeasureName": "status",
        "MeasureValueType": "MULTI",
        "MeasureValues": [
            {"Name": "load", "Value": "1e10", "Type": "DOUBLE"},
            {"Name": "count", "Value": "-9223372036854775808", "Type": "BIGINT"},
            {"Name": "up", "Value": "TRUE", "Type": "BOOLEAN"},
            {"Name": "text", "Value": "it's ☃", "Type": "VARCHAR"},
            {"Name": "since", "Value": "1700000000123", "Type": "TIMESTAMP"},
        ],
        "Time": str(NOW_MS),
    }

    ingest(made, record)

    result = query.query(QueryString='SELECT * FROM "MyDatabase"."MyTable"')
    assert [column["Name"] for column in result["ColumnInfo"]] == [
        *("host", "measure_name", "time", "load", "count", "up", "text", "since")
    ]
    assert [datum["ScalarValue"] for datum in result["Rows"][0]["Data"]] == [
        "h",
        "status",
        "2026-09-21 14:13:20.123000000",
        "1.0E10",
        "-9223372036854775808",
        "true",
        "it's ☃",
        "2023-11-14 22:13:20.123000000",
    ]


def test_nulls_and_rows_inside_arrays_have_their_own_shapes(made: Any, query: Any) -> None:
    ingest(made, cpu(1, 1))

    nothing = query.query(QueryString="SELECT NULL AS x")
    measures = query.query(QueryString='SHOW MEASURES FROM "MyDatabase"."MyTable"')

    assert nothing["Rows"] == [{"Data": [{"NullValue": True}]}]
    assert measures["ColumnInfo"][2]["Type"]["ArrayColumnInfo"]["Type"]["RowColumnInfo"][0]["Name"] == "dimension_name"
    assert measures["Rows"][0]["Data"][2]["ArrayValue"] == [
        {"RowValue": {"Data": [{"ScalarValue": "host"}, {"ScalarValue": "varchar"}]}}
    ]


def test_rows_and_time_series_have_their_own_shapes(made: Any, query: Any) -> None:
    text = (
        "SELECT ROW(1, NULL) AS r, create_time_series(t, v) AS s FROM (VALUES (from_milliseconds(1), 2.5)) AS p(t, v)"
    )

    answer = query.query(QueryString=text)

    double = {"ScalarType": "DOUBLE"}
    assert [column["Type"] for column in answer["ColumnInfo"]] == [
        {"RowColumnInfo": [{"Type": {"ScalarType": "INTEGER"}}, {"Type": {"ScalarType": "UNKNOWN"}}]},
        {"TimeSeriesMeasureValueColumnInfo": {"Type": double}},
    ]
    assert answer["Rows"][0]["Data"] == [
        {"RowValue": {"Data": [{"ScalarValue": "1"}, {"NullValue": True}]}},
        {"TimeSeriesValue": [{"Time": "1970-01-01 00:00:00.001000000", "Value": {"ScalarValue": "2.5"}}]},
    ]


def test_a_map_is_an_array_of_rows_as_the_protocol_has_no_maps(made: Any, query: Any) -> None:
    answer = query.query(
        QueryString="SELECT map(ARRAY['a'], ARRAY[ARRAY[1, NULL]]) AS m, CAST(NULL AS MAP(DATE, DATE))"
    )

    integers = {"ArrayColumnInfo": {"Type": {"ScalarType": "INTEGER"}}}
    assert answer["ColumnInfo"][0]["Type"]["ArrayColumnInfo"]["Type"]["RowColumnInfo"] == [
        {"Name": "key", "Type": {"ScalarType": "VARCHAR"}},
        {"Name": "value", "Type": integers},
    ]
    value = {"ArrayValue": [{"ScalarValue": "1"}, {"NullValue": True}]}
    assert answer["Rows"][0]["Data"] == [
        {"ArrayValue": [{"RowValue": {"Data": [{"ScalarValue": "a"}, value]}}]},
        {"NullValue": True},
    ]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "SELECT vehicleName FROM MyDatabase.MyTable",
            "ValidationException",
            "line 1:8: Column 'vehicleName' does not exist",
        ),
        (
            'SELECT * FROM "abc"."sampleDB" LIMIT 10',
            "ValidationException",
            "Requested database 'abc' not found for identifier 'abc.sampleDB' at line 1:15",
        ),
        ("SELECT 1/0", "QueryExecutionException", "Division by zero"),
        ("DROP TABLE x", "ValidationException", "The query syntax is invalid at line 1:1: mismatched input 'DROP'"),
    ],
)
def test_faults_of_a_query_reach_the_client(made: Any, query: Any, text: str, code: str, message: str) -> None:
    with pytest.raises(ClientError) as caught:
        query.query(QueryString=text)

    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["Error"]["Message"].startswith(message)


def test_unknown_names_are_not_found(write: Any) -> None:
    with pytest.raises(write.exceptions.ResourceNotFoundException, match="The database unknown does not exist"):
        write.describe_table(DatabaseName="unknown", TableName="t")
    write.create_database(DatabaseName="db")
    with pytest.raises(write.exceptions.ResourceNotFoundException, match="The table unknown does not exist"):
        write.write_records(DatabaseName="db", TableName="unknown", Records=[cpu(1, 1)])


def test_databases_and_tables_live_their_lives(write: Any) -> None:
    created = write.create_database(DatabaseName="db")["Database"]
    with pytest.raises(write.exceptions.ConflictException):
        write.create_database(DatabaseName="db")
    made = write.create_table(
        DatabaseName="db",
        TableName="t",
        RetentionProperties={"MemoryStoreRetentionPeriodInHours": 24, "MagneticStoreRetentionPeriodInDays": 7},
    )["Table"]
    updated = write.update_table(
        DatabaseName="db", TableName="t", MagneticStoreWriteProperties={"EnableMagneticStoreWrites": True}
    )["Table"]

    number = account_number(ACCOUNT)
    assert created["Arn"] == f"arn:aws:timestream:eu-west-1:{number}:database/db"
    assert made["Arn"] == f"arn:aws:timestream:eu-west-1:{number}:database/db/table/t"
    assert created["CreationTime"].timestamp() == pytest.approx(NOW_NS / 1e9, abs=1)
    assert made["TableStatus"] == "ACTIVE"
    assert (
        made["RetentionProperties"]
        == updated["RetentionProperties"]
        == {
            "MemoryStoreRetentionPeriodInHours": 24,
            "MagneticStoreRetentionPeriodInDays": 7,
        }
    )
    assert updated["MagneticStoreWriteProperties"] == {"EnableMagneticStoreWrites": True}
    assert write.describe_database(DatabaseName="db")["Database"]["TableCount"] == 1
    with pytest.raises(write.exceptions.ValidationException):
        write.delete_database(DatabaseName="db")
    write.delete_table(DatabaseName="db", TableName="t")
    write.delete_database(DatabaseName="db")
    assert write.list_databases()["Databases"] == []


def test_listings_come_in_pages(write: Any) -> None:
    write.create_database(DatabaseName="db")
    for number in range(5):
        write.create_table(DatabaseName="db", TableName=f"t{number}")

    first = write.list_tables(DatabaseName="db", MaxResults=3)
    second = write.list_tables(DatabaseName="db", MaxResults=3, NextToken=first["NextToken"])

    assert [table["TableName"] for table in (*first["Tables"], *second["Tables"])] == [f"t{n}" for n in range(5)]
    assert "NextToken" not in second
    with pytest.raises(write.exceptions.ValidationException, match="Invalid pagination token"):
        write.list_tables(DatabaseName="db", NextToken="ÿ")


def test_an_account_sees_only_its_own(made: Any, service: Service) -> None:
    assert service.store.catalog.databases("AKIDEXAMPLE")
    assert service.store.catalog.databases("someone-else") == []


@pytest.mark.parametrize(
    "text",
    ["SELECT host, time FROM MyDatabase.MyTable", "SELECT * FROM MyDatabase.MyTable WHERE host <> 'x' LIMIT 100"],
)
def test_rows_of_a_table_come_in_order_of_time_where_no_order_is_asked_for(made: Any, query: Any, text: str) -> None:
    for minutes_ago in (3, 1, 4, 2, 5):
        ingest(made, cpu(minutes_ago, 1, f"h{minutes_ago}"))

    result = query.query(QueryString=text)

    assert [row["Data"][0]["ScalarValue"] for row in result["Rows"]] == ["h5", "h4", "h3", "h2", "h1"]
    assert "ordered_by" not in str(result["ColumnInfo"])


def test_an_order_that_is_asked_for_is_the_order(made: Any, query: Any) -> None:
    ingest(made, cpu(1, 1, "h1"), cpu(2, 3, "h2"), cpu(3, 2, "h3"))

    result = query.query(QueryString="SELECT host FROM MyDatabase.MyTable ORDER BY measure_value::double DESC LIMIT 2")

    assert [row["Data"][0]["ScalarValue"] for row in result["Rows"]] == ["h2", "h3"]
