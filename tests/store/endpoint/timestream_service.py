"""A Timestream endpoint with its own store, and a writer that applies at once."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from store.endpoint import Endpoint, WriteRecord, decode_write, encode_write
from store.objects.location import S3Location
from store.record import Applied, TableId
from store.testing import LocalExecutor
from tests.support.lone_store import PARTITION, LoneStore, open_store

NOW_NS = 1_790_000_000_123_456_789  # 2026-09-21 14:13:20.123456789
ACCOUNT = "AKIDEXAMPLE"


@dataclass
class Clock:
    now_ns: int = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


@dataclass
class DirectWriter:
    """Applies a request to the store, as the stream would; raises `failure` instead, if it is set."""

    store: LoneStore
    clock: Clock
    payloads: list[bytes] = field(default_factory=list)
    failure: Exception | None = None

    async def write(self, table: TableId, records: Sequence[WriteRecord]) -> Applied:
        if self.failure is not None:
            raise self.failure
        offset = len(self.payloads)
        payload = encode_write(table.database, table.table, records)
        self.payloads.append(payload)
        batch = decode_write(payload, table.account, self.store.registry, PARTITION, offset, self.clock())
        applied = self.store.apply(batch)
        self.store.advance(PARTITION, offset)
        return applied


@dataclass
class Service:
    """The endpoint and its parts."""

    store: LoneStore
    clock: Clock
    writer: DirectWriter
    endpoint: Endpoint
    buckets: dict[str, Path | S3Location] = field(default_factory=dict)

    def call(self, operation: str, request: dict[str, Any] | bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        """Status and body of one call."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        answer = asyncio.run(
            self.endpoint.handle(f"Timestream_20181101.{operation}", headers, body, ACCOUNT, None, self.buckets)
        )
        return answer.status, json.loads(answer.body)

    def ok(self, operation: str, **request: Any) -> dict[str, Any]:
        """The body of a successful call."""
        status, body = self.call(operation, request)
        assert status == 200, body
        return body

    def error(self, operation: str, **request: Any) -> tuple[int, str, str]:
        """Status, name and message of a failed call."""
        status, body = self.call(operation, request)
        return status, body["__type"].partition("#")[2], body["message"]


def service_on(folder: Path) -> Service:
    """The service over the store in `folder`."""
    clock = Clock()
    store = open_store(folder, memory_limit_bytes=64 << 20, templates={}, clock_ns=clock)
    writer = DirectWriter(store, clock)
    return Service(store, clock, writer, Endpoint(store, writer, LocalExecutor(store.whole.readable), clock_ns=clock))


class Refused(Exception):
    """The test writer's error for overload."""


def client(service_name: str, url: str) -> Any:
    """A boto3 client of this service, configured only with the URL."""
    return boto3.client(
        service_name,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
