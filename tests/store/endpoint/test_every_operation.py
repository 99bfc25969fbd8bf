"""Every operation of Timestream's two service models is known here, with the shape that the models give its request."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, StructureShape

from store.endpoint.shapes import REQUESTS, Flag, ListOf, Number, Shape, Structure, Text, Time

MODELS = {
    service: ServiceModel(Loader().load_service_model(service, "service-2"), service)
    for service in ("timestream-write", "timestream-query")
}
OPERATIONS = [(service, name) for service, model in MODELS.items() for name in model.operation_names]

OTHERWISE = {
    "DatabaseName": "not empty, and in CreateDatabase at most 256, as the API reference says",
    "TableName": "as DatabaseName",
    "TargetDatabaseName": "as DatabaseName",
    "TargetTableName": "as DatabaseName",
    "NextToken": "not empty",
    "MaxQueryTCU": "from 4 to 1000, as the API reference says",
    "TargetQueryTCU": "as MaxQueryTCU",
    "MeasureValue": "may be empty, as the API reference says",
    "ResourceARN": "one operation for both services; timestream-write has 1011, timestream-query 2048",
}
PAGES_OF_QUERY = {"NextToken", "MaxResults"}  # timestream-write's ListTagsForResource has none


def differences(shape: Any, ours: Shape, path: str) -> Iterator[str]:
    """Where the request's shape differs from that of the model."""
    match ours:
        case Structure():
            assert isinstance(shape, StructureShape), path
            members = {**ours.required, **ours.optional}
            if set(ours.required) != set(shape.required_members):
                yield f"{path} requires {sorted(ours.required)}"
            if (other := members.keys() ^ shape.members.keys()) - PAGES_OF_QUERY:
                yield f"{path}: {sorted(other)}"
            for name in members.keys() & shape.members.keys():
                yield from differences(shape.members[name], members[name], f"{path}.{name}")
        case ListOf():
            assert isinstance(shape, ListShape), path
            if (shape.metadata.get("min", 0), shape.metadata.get("max")) != (ours.low, ours.high):
                yield f"{path}: {shape.metadata} {ours.low} {ours.high}"
            yield from differences(shape.member, ours.member, path)
        case Time():
            assert shape.type_name == "timestamp", path
        case Flag():
            assert shape.type_name == "boolean", path
        case Number() | Text():
            assert shape.type_name in ({"integer", "long"} if isinstance(ours, Number) else {"string"}), path
            limits = shape.metadata.get("min") or None, shape.metadata.get("max")
            if limits != (ours.low or None, ours.high) and path.rpartition(".")[2] not in OTHERWISE:
                yield f"{path} has {limits}"
            if isinstance(ours, Text):
                yield from _texts(shape.metadata, ours, path)


def _texts(metadata: Any, ours: Text, path: str) -> Iterator[str]:
    if sorted(ours.choices) != sorted(metadata.get("enum", [])) or ours.pattern != metadata.get("pattern"):
        yield f"{path}: {ours.choices} {ours.pattern}"


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_a_request_has_the_shape_of_the_model(service: str, name: str) -> None:
    shape = MODELS[service].operation_model(name).input_shape

    assert list(differences(shape, REQUESTS[name], name)) == []
