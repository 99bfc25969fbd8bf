"""What workers of one group ask and tell each other, and what `/v1` answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from fastapi import FastAPI

from pipeline.cluster.outcomes import OutcomeRequest, decode_outcome, encode_outcome
from pipeline.cluster.tails import TailsRequest, TailsResponse
from store.reading.tail import TailReply, TailRequest
from store.record import Applied, Outcome
from tests.golden.conftest import Golden
from tests.support.http_service import HttpService

T = 1_795_000_000_123_456_789
PARTITION = "0123456789abcdef/readings/2"
REQUEST = TailRequest("farm", "db", "t", 2, 9, {PARTITION: 41}, T, T + 1, {"site": ["a", "b"]})


def test_which_rows_are_asked_for(golden: Golden) -> None:
    asked = golden("tail-request.msgpack", msgspec.msgpack.encode(TailsRequest([0, 2], REQUEST.encode())))

    read = msgspec.msgpack.decode(asked, type=TailsRequest)

    assert read.partitions == [0, 2]
    assert TailRequest.decode(read.request) == REQUEST


def test_the_rows_that_are_told(golden: Golden) -> None:
    rows = pa.table(
        {"site": ["a", None], "t": [21.5, -1.0], "time_ns": [T, T + 1], "_sequence": [44_040_192, 44_040_193]}
    )
    reply = TailReply(PARTITION, 44_040_193, np.array([T]), rows)

    told_ = golden("tail-reply.msgpack", msgspec.msgpack.encode(TailsResponse([reply.encode()])), is_exact=False)
    (data,) = msgspec.msgpack.decode(told_, type=TailsResponse).replies

    read = TailReply.decode(data)
    assert (read.partition, read.to_sequence, read.superseded_ns.tolist()) == (PARTITION, 44_040_193, [T])
    assert read.rows == rows


def test_that_there_are_none_as_positions_are_too_old(golden: Golden) -> None:
    data = golden("tail-behind.msgpack", msgspec.msgpack.encode(TailsResponse([], "rows are not all in RAM")))

    assert msgspec.msgpack.decode(data, type=TailsResponse) == TailsResponse([], "rows are not all in RAM")


def test_what_became_of_a_request_to_write(golden: Golden) -> None:
    asked = golden("outcome-request.msgpack", msgspec.msgpack.encode(OutcomeRequest(2, 41, 1.5)))
    applied = Applied(np.array([Outcome.NEW, Outcome.SKIPPED], np.uint8), np.array([0, 7]))

    read = decode_outcome(golden("outcome-reply.msgpack", encode_outcome(applied)))

    assert msgspec.msgpack.decode(asked, type=OutcomeRequest) == OutcomeRequest(2, 41, 1.5)
    assert read.outcomes.tolist() == applied.outcomes.tolist()
    assert read.existing_version.tolist() == [0, 7]


def test_the_shape_of_v1(golden: Golden, tmp_path: Path) -> None:
    """What clients build on: operations with their parameters and answers, and the fields of those."""
    service = HttpService(tmp_path)
    lines = [*operations(service.app), *fields(service.app)]
    service.close()

    golden("v1.txt", "\n".join([*lines, ""]).encode())


def operations(app: FastAPI) -> list[str]:
    return [
        f"{method.upper()} {path}({', '.join(sorted(one['name'] for one in operation.get('parameters', ())))}) "
        f"-> {', '.join(f'{status} {kind(answer)}' for status, answer in sorted(operation['responses'].items()))}"
        for path, methods in sorted(app.openapi()["paths"].items())
        for method, operation in sorted(methods.items())
    ]


def fields(app: FastAPI) -> list[str]:
    return [
        f"{name}.{field}: {shape(schema)}"
        for name, model in sorted(app.openapi()["components"]["schemas"].items())
        for field, schema in sorted(model.get("properties", {}).items())
    ]


def kind(answer: dict[str, Any]) -> str:
    return "|".join(
        f"{media} {shape(body.get('schema', {}))}".rstrip() for media, body in sorted(answer.get("content", {}).items())
    )


def shape(schema: dict[str, Any]) -> str:
    """A schema in a word."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return "|".join(shape(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"[{shape(schema.get('items', {}))}]"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"{{{shape(schema['additionalProperties'])}}}"
    return str(schema.get("enum") or schema.get("type", ""))
