"""Asks Timestream, or a server that speaks its protocol, for the result of a statement."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pipeline.base.errors import ServerRefused
from pipeline.base.sigv4 import Credentials, signed_headers
from pipeline.operations.client import Client

_OF_AWS = re.compile(
    r"https://(?:[\w-]+\.)?query(?:-[\w]+)?\.timestream\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/?"
)
_REGION = "us-east-1"  # of a server of ours: any is the same


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a statement, and the columns as (name, type)."""

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]


class TimestreamClient:
    """A client for one endpoint. A context manager."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        ca: Path | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`ca` is a file of certificates to trust in place of the usual ones."""
        of_aws = _OF_AWS.fullmatch(url)
        self._region = of_aws["region"] if of_aws else _REGION
        self._credentials = credentials
        self._ca = ca
        self._clock_ns = clock_ns
        self._has_cells = of_aws is not None
        self._url = url
        self._http = Client(url, ca=ca)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def query(self, sql: str) -> Result:
        """All rows. Raises ServerUnreachable, ServerRefused."""
        if self._has_cells:  # AWS answers queries at the endpoint that it names
            (endpoint, *_) = self._ask("DescribeEndpoints", {})["Endpoints"]
            self._http.__exit__()
            self._url, self._has_cells = f"https://{endpoint['Address']}", False
            self._http = Client(self._url, ca=self._ca)
        page = self._ask("Query", {"QueryString": sql})
        columns = [(column.get("Name", ""), type_text(column["Type"])) for column in page["ColumnInfo"]]
        rows = [_row(row) for row in page["Rows"]]
        while token := page.get("NextToken"):
            page = self._ask("Query", {"QueryString": sql, "NextToken": token})
            rows += [_row(row) for row in page["Rows"]]
        return Result(tuple(columns), rows)

    def _ask(self, operation: str, request: Mapping[str, object]) -> Any:
        body = json.dumps(request).encode()
        headers = {
            "host": urlsplit(self._url).netloc.rpartition("@")[2],
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"Timestream_20181101.{operation}",
        }
        signed = signed_headers(self._credentials, self._region, "timestream", headers, body, self._clock_ns())
        status, content = self._http.exchange(body, signed)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {}
        if status >= HTTPStatus.BAD_REQUEST:
            told = answer.get("message") or answer.get("Message") or HTTPStatus(status).phrase
            kind = str(answer.get("__type", status)).rpartition("#")[2]
            raise ServerRefused(f"{kind}: {told}")
        return answer


def type_text(kind: Mapping[str, Any]) -> str:
    """A type as SQL names it."""
    if "ScalarType" in kind:
        return str(kind["ScalarType"]).lower()
    if "ArrayColumnInfo" in kind:
        return f"array({type_text(kind['ArrayColumnInfo']['Type'])})"
    if "TimeSeriesMeasureValueColumnInfo" in kind:
        return f"timeseries({type_text(kind['TimeSeriesMeasureValueColumnInfo']['Type'])})"
    inner = ", ".join(f"{of.get('Name', '')} {type_text(of['Type'])}".strip() for of in kind.get("RowColumnInfo", ()))
    return f"row({inner})"


def _row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(_value(datum) for datum in row["Data"])


def _value(datum: Mapping[str, Any]) -> Any:
    """A text, None, or a tuple of values."""
    if datum.get("NullValue"):
        return None
    if "ScalarValue" in datum:
        return datum["ScalarValue"]
    if "ArrayValue" in datum:
        return tuple(_value(inner) for inner in datum["ArrayValue"])
    if "TimeSeriesValue" in datum:
        return tuple((point["Time"], _value(point["Value"])) for point in datum["TimeSeriesValue"])
    return _row(datum["RowValue"])
