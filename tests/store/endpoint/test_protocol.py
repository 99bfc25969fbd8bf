"""The protocol of the endpoint: targets, bodies, shapes, headers, addresses, and pages."""

import asyncio
import re

import pytest
from timestream_service import NOW_NS, Service

from store.endpoint.results import KEPT_ACCOUNTS, KEPT_MAX, TOKEN_LIFE_NS, TOKEN_USES_MAX, KeptResults
from store.endpoint.rows import Block, Described, Rows
from store.endpoint.signature import region_of
from store.reading.insights import METERED_LEAST_BYTES

SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/eu-west-1/timestream/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=abc"
)


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        (
            "WriteRecords",
            {
                "DatabaseName": "d",
                "TableName": "t",
                "Records": [{"Dimensions": [{"Name": "a", "Value": "b", "DimensionValueType": "X"}]}],
            },
            (
                "1 validation error detected: Value 'X' at 'records.1.member.dimensions.1.member.dimensionValueType' "
                "failed to satisfy constraint: Member must satisfy enum value set: [VARCHAR]"
            ),
        ),
        (
            "CreateDatabase",
            {},
            "Value null at 'databaseName' failed to satisfy constraint: Member must not be null",
        ),
        (
            "CreateTable",
            {"DatabaseName": "d", "TableName": "a b", "RetentionProperties": {"MemoryStoreRetentionPeriodInHours": 0}},
            (
                "3 validation errors detected: Value 'a b' at 'tableName' failed to satisfy constraint: Member must "
                "satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '0' at "
                "'retentionProperties.memoryStoreRetentionPeriodInHours' failed to satisfy constraint: Member must "
                "have value greater than or equal to 1; Value null at "
                "'retentionProperties.magneticStoreRetentionPeriodInDays' failed to satisfy constraint: "
                "Member must not be null"
            ),
        ),
        (
            "WriteRecords",
            {"DatabaseName": "d", "TableName": "t", "Records": [{}] * 101},
            "at 'records' failed to satisfy constraint: Member must have length less than or equal to 100",
        ),
        (
            "Query",
            {"QueryString": "SELECT 1", "MaxRows": 1001},
            "Value '1001' at 'maxRows' failed to satisfy constraint: Member must have value less than or equal to 1000",
        ),
        (
            "Query",
            {"QueryString": 5},
            "Value '5' at 'queryString' failed to satisfy constraint: Member must be a string",
        ),
        ("Query", [], "Value '[]' at 'request' failed to satisfy constraint: Member must be a structure"),
    ],
)
def test_violations_of_a_shape_are_reported_in_the_services_form(
    service: Service, operation: str, request_: dict[str, object], message: str
) -> None:
    status, body = service.call(operation, request_)

    assert (status, body["__type"]) == (400, "com.amazon.coral.validate#ValidationException")
    assert message in body["message"]


@pytest.mark.parametrize(
    ("target", "name", "message"),
    [
        ("Timestream_20181101.Frobnicate", "UnknownOperationException", "Unknown operation"),
        ("DynamoDB_20120810.Query", "UnknownOperationException", "Unknown operation"),
        ("", "UnknownOperationException", "Unknown operation ''"),
    ],
)
def test_an_operation_that_is_not_offered_is_named(service: Service, target: str, name: str, message: str) -> None:
    answer = asyncio.run(service.endpoint.handle(target, {}, b"{}", "a"))

    assert answer.status == 400
    assert name.encode() in answer.body
    assert message.encode() in answer.body


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_an_error(service: Service, body: bytes) -> None:
    status, answer = service.call("Query", body)

    assert (status, answer["__type"]) == (400, "com.amazon.coral.service#SerializationException")


def test_answers_carry_a_request_id_and_the_version_of_json_they_were_asked_in(service: Service) -> None:
    for version in ("1.0", "1.1"):
        headers = {"content-type": f"application/x-amz-json-{version}"}
        answer = asyncio.run(service.endpoint.handle("Timestream_20181101.ListDatabases", headers, b"", "a"))

        assert answer.headers["Content-Type"] == f"application/x-amz-json-{version}"
        assert re.fullmatch("[A-Z2-7]{26}", answer.headers["x-amzn-RequestId"])


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"host": "gauge:8080", "user-agent": "Boto3/1.44"}, "http://gauge:8080"),
        ({"host": "gauge:8080", "user-agent": "aws-sdk-js/3.1"}, "gauge"),
        ({"host": "[::1]:8080", "user-agent": "aws-sdk-js/3.1"}, "[::1]"),
        ({"host": "gauge", "x-forwarded-proto": "https", "user-agent": "aws-sdk-go/1"}, "https://gauge"),
    ],
)
def test_each_sdk_gets_the_address_that_it_understands(service: Service, headers: dict[str, str], address: str) -> None:
    _, body = service.call("DescribeEndpoints", {}, **headers)

    assert body["Endpoints"][0]["Address"] == address


@pytest.mark.parametrize(
    ("authorization", "region"),
    [(SIGNED, "eu-west-1"), ("Bearer x", "us-east-1"), ("AWS4-HMAC-SHA256 Credential=x", "us-east-1")],
)
def test_the_region_is_that_of_the_credential(authorization: str, region: str) -> None:
    assert region_of({"authorization": authorization}) == region
    assert region_of({}) == "us-east-1"


def values(count: int) -> str:
    return f"SELECT * FROM (VALUES {', '.join(f'({number})' for number in range(count))}) AS v(x) ORDER BY x"


def test_a_token_is_for_its_query_its_account_an_hour_and_five_uses(service: Service) -> None:
    text = values(9)
    first = service.ok("Query", QueryString=text, MaxRows=3)
    token = first["NextToken"]
    invalid = (400, "ValidationException", "Invalid pagination token")

    assert service.error("Query", QueryString=text, NextToken="x") == invalid
    assert service.error("Query", QueryString=text + " ", NextToken=token) == invalid
    for _ in range(TOKEN_USES_MAX):
        assert len(service.ok("Query", QueryString=text, NextToken=token, MaxRows=2)["Rows"]) == 2
    assert service.error("Query", QueryString=text, NextToken=token) == invalid

    token = service.ok("Query", QueryString=text, MaxRows=3)["NextToken"]
    service.clock.now_ns = NOW_NS + TOKEN_LIFE_NS - 1
    last = service.ok("Query", QueryString=text, NextToken=token, MaxRows=3)["NextToken"]
    service.clock.now_ns += 1
    assert service.error("Query", QueryString=text, NextToken=last) == invalid


def test_using_a_token_ends_the_one_before_it(service: Service) -> None:
    text = values(9)
    one = service.ok("Query", QueryString=text, MaxRows=3)["NextToken"]
    two = service.ok("Query", QueryString=text, NextToken=one, MaxRows=3)["NextToken"]

    rest = service.ok("Query", QueryString=text, NextToken=two)

    assert [row["Data"][0]["ScalarValue"] for row in rest["Rows"]] == ["6", "7", "8"]
    assert "NextToken" not in rest
    assert service.error("Query", QueryString=text, NextToken=one)[2] == "Invalid pagination token"


def write_at(table: Service, *times_ns: int) -> None:
    """A record at each of these times."""
    records = [
        {"Dimensions": [{"Name": "host", "Value": "a"}], "MeasureName": "x", "MeasureValue": "1", "Time": str(time_ns)}
        for time_ns in times_ns
    ]
    common = {"TimeUnit": "NANOSECONDS"}
    table.ok("WriteRecords", DatabaseName="db", TableName="t", Records=records, CommonAttributes=common)


def test_insights_tell_what_was_read(table: Service) -> None:
    write_at(table, *(NOW_NS - minute * 60 * 10**9 for minute in range(10)))
    text = 'SELECT count(*) FROM "db"."t" WHERE time >= ago(5m)'

    told = table.ok("Query", QueryString=text, QueryInsights={"Mode": "ENABLED_WITH_RATE_CONTROL"})
    without = table.ok("Query", QueryString=text, QueryInsights={"Mode": "DISABLED"})
    of_nothing = table.ok("Query", QueryString="SELECT 1", QueryInsights={"Mode": "ENABLED_WITH_RATE_CONTROL"})

    insights = told["QueryInsightsResponse"]
    widest = insights["QueryTemporalRange"]["Max"]
    assert (insights["QueryTableCount"], insights["OutputRows"]) == (1, 1)
    assert widest == {"Value": 5 * 60 * 10**9 + 1, "TableArn": widest["TableArn"]}
    assert widest["TableArn"].endswith(":database/db/table/t")
    assert insights["OutputBytes"] > 0
    assert "QueryInsightsResponse" not in without
    assert of_nothing["QueryInsightsResponse"]["QueryTableCount"] == 0


def test_a_querys_status_says_how_much_was_read_for_it_on_every_page(table: Service) -> None:
    write_at(table, *(NOW_NS - number for number in range(50)))

    request = {"QueryString": "SELECT * FROM db.t", "MaxRows": 20}
    first = table.ok("Query", **request)
    second = table.ok("Query", **request, NextToken=first["NextToken"])
    of_nothing = table.ok("Query", QueryString="SELECT 1")

    assert first["QueryStatus"]["CumulativeBytesScanned"] > 50 * 8
    assert first["QueryStatus"]["CumulativeBytesMetered"] == METERED_LEAST_BYTES
    assert second["QueryStatus"] == first["QueryStatus"]
    assert of_nothing["QueryStatus"]["CumulativeBytesScanned"] == 0


def test_a_cancelled_query_is_a_conflict_to_go_on_with(service: Service) -> None:
    text = values(9)
    first = service.ok("Query", QueryString=text, MaxRows=3)

    for _ in range(2):
        assert service.ok("CancelQuery", QueryId=first["QueryId"]) == {
            "CancellationMessage": f"Query {first['QueryId']} cancelled"
        }

    assert service.error("Query", QueryString=text, NextToken=first["NextToken"])[:2] == (409, "ConflictException")


def test_a_page_holds_at_most_a_megabyte_and_a_row_more_than_that_is_an_error(service: Service) -> None:
    wide = f"SELECT '{'x' * 200_000}' AS x FROM (VALUES 1, 2, 3, 4, 5, 6, 7) AS v(n)"
    huge = "SELECT " + " || ".join([f"'{'x' * 50_000}'"] * 4) + " AS x"

    first = service.ok("Query", QueryString=wide)
    second = service.ok("Query", QueryString=wide, NextToken=first["NextToken"])
    many = service.error("Query", QueryString=f"WITH w AS ({huge}) SELECT {', '.join(['x'] * 6)} FROM w")

    assert [len(first["Rows"]), len(second["Rows"])] == [4, 3]
    assert many[2] == "Query aborted as max page response size has been exceeded by the output result row"


@pytest.mark.parametrize(
    ("others", "blocks", "is_valid"),
    [
        (["a"], 3, True),
        (["a"], 4, False),  # its own newer result needs the memory
        (["b", "c", "d"], 5, True),  # each account has its own share
        (["a"] * KEPT_MAX, 0, False),
    ],
)
def test_results_nobody_fetches_make_room_for_others(others: list[str], blocks: int, is_valid: bool) -> None:
    kept = KeptResults(account_bytes=1_000_000)
    result = Rows(Described([], 0), tuple(Block(number, 1, 150_000, b"x" * 150_000) for number in range(blocks)))
    token = kept.token(kept.keep("first", "a", "text", result, 0), 1)

    for number, account in enumerate(others):
        kept.keep(str(number), account, "text", result, 0)

    if is_valid:
        assert kept.take(token, "a", "text", 0)[1] == 1
    else:
        with pytest.raises(Exception, match="Invalid pagination token"):
            kept.take(token, "a", "text", 0)


def test_what_is_kept_for_all_accounts_is_bounded_and_so_is_its_time() -> None:
    kept = KeptResults(account_bytes=1_000_000)
    result = Rows(Described([], 0), (Block(0, 1, 900_000, b"x" * 900_000),))

    for number in range(20):
        kept.keep(str(number), f"account {number}", "text", result, 0)
    assert kept.size_bytes <= KEPT_ACCOUNTS * 1_000_000

    kept.keep("late", "late", "text", Rows(Described([], 0)), TOKEN_LIFE_NS)
    assert kept.size_bytes < 10_000
