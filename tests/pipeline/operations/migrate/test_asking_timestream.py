"""The client speaks Timestream's protocol: signed as botocore signs, all pages, errors with their names."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as AwsKeys

from pipeline.base.errors import ServerRefused
from pipeline.base.sigv4 import Credentials, signed_headers
from pipeline.operations.migrate.asking import TimestreamClient, type_text

KEYS = Credentials("AKIA", "secret", "a-session")
NOW_NS = 1_763_892_000 * 10**9


@pytest.mark.parametrize("session_token", [None, "a-session"])
@pytest.mark.parametrize("body", [b"", '{"QueryString": "SELECT \'ü\'"}'.encode()])
def test_a_request_is_signed_as_botocore_signs_it(
    session_token: str | None, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"host": "cell1.example", "content-type": "application/x-amz-json-1.0", "x-amz-target": "T.Query"}

    ours = signed_headers(
        Credentials("AKIA", "secret", session_token), "eu-west-1", "timestream", headers, body, NOW_NS
    )

    request = AWSRequest("POST", "https://cell1.example/", headers=dict(headers), data=body)
    request.context["timestamp"] = ours["x-amz-date"]
    if session_token is not None:
        request.headers["X-Amz-Security-Token"] = session_token
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    signer = SigV4Auth(AwsKeys("AKIA", "secret", session_token), "timestream", "eu-west-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert ours["authorization"].endswith(f"Signature={signer.signature(text, request)}")


class Aws:
    """A server that answers in pages, at the cell that it names."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        operation = request.headers["x-amz-target"].partition(".")[2]
        body = json.loads(request.content)
        self.asked.append((request.url.host, operation, body))
        if operation == "DescribeEndpoints":
            return httpx.Response(
                200, json={"Endpoints": [{"Address": "query-cell2.example", "CachePeriodInMinutes": 9}]}
            )
        if body["QueryString"] == "bad":
            kind = "com.amazonaws.timestream.v20181101#ValidationException"
            return httpx.Response(400, json={"__type": kind, "message": "no such thing"})
        columns = [{"Name": "n", "Type": {"ScalarType": "BIGINT"}}]
        number = int(body.get("NextToken", "1"))
        more = {} if number == 3 else {"NextToken": str(number + 1)}
        rows = [{"Data": [{"ScalarValue": str(number)}]}, {"Data": [{"NullValue": True}]}]
        return httpx.Response(200, json={"ColumnInfo": columns, "Rows": rows, **more})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made, client = Aws(), httpx.Client
    monkeypatch.setattr(
        httpx, "Client", lambda base_url, **_: client(base_url=base_url, transport=httpx.MockTransport(made))
    )
    return made


def test_all_pages_are_fetched_from_the_cell_that_aws_names(aws: Aws) -> None:
    with TimestreamClient("https://query.timestream.eu-west-1.amazonaws.com", KEYS) as client:
        result = client.query("SELECT 1")
        client.query("SELECT 1")

    assert (result.columns, result.rows) == ((("n", "bigint"),), [("1",), (None,), ("2",), (None,), ("3",), (None,)])
    assert [operation for _, operation, _ in aws.asked] == ["DescribeEndpoints", *["Query"] * 6]
    assert {host for host, operation, _ in aws.asked if operation == "Query"} == {"query-cell2.example"}


def test_an_error_has_its_name_and_words(aws: Aws) -> None:
    with TimestreamClient("http://127.0.0.1:1", KEYS) as client, pytest.raises(ServerRefused) as caught:
        client.query("bad")

    assert str(caught.value) == "ValidationException: no such thing"


def test_types_are_told_as_sql_names_them() -> None:
    double = {"ScalarType": "DOUBLE"}
    row = {"RowColumnInfo": [{"Name": "a", "Type": double}, {"Type": {"ArrayColumnInfo": {"Type": double}}}]}

    assert type_text(row) == "row(a double, array(double))"
    assert type_text({"TimeSeriesMeasureValueColumnInfo": {"Type": double}}) == "timeseries(double)"
