"""The shapes of requests, as a table, and the check of a request against them.

The constraints are those of the service model (botocore `timestream-{write,query}/2018-11-01`); clients check some of
them, the server all. Violations are reported in the service's wording: all of them, at most ten, with the path of the
member in lower camel case and list items counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from store.endpoint.errors import ShapeViolation

_VIOLATIONS_MAX = 10  # per response, as in the service


@dataclass(frozen=True, slots=True)
class Text:
    """A string of `low` to `high` characters."""

    low: int = 0
    high: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number from `low` to `high`."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds since 1970, whole or not."""


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of `low` to `high` members."""

    member: Shape
    low: int = 0
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """Named members; unknown ones are ignored, as in the service."""

    required: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)


Shape: TypeAlias = Text | Number | Time | Flag | ListOf | Structure

_ANY_NAME = Text(1)
_NEW_NAME = Text(1, 256, r"[a-zA-Z0-9_.-]+")
_ARN = Text(1, 2048)
_TAGS = ListOf(Structure({"Key": Text(1, 128), "Value": Text(0, 256)}), 0, 200)
_MEASURE_TYPES = ("DOUBLE", "BIGINT", "VARCHAR", "BOOLEAN", "TIMESTAMP", "MULTI")
_TASK_STATES = ("CREATED", "IN_PROGRESS", "FAILED", "SUCCEEDED", "PROGRESS_STOPPED", "PENDING_RESUME")
_TIME_UNITS = ("MILLISECONDS", "SECONDS", "MICROSECONDS", "NANOSECONDS")

_RECORD = Structure(
    optional={
        "Dimensions": ListOf(
            Structure({"Name": Text(1), "Value": Text()}, {"DimensionValueType": Text(choices=("VARCHAR",))}), 0, 128
        ),
        "MeasureName": Text(1),
        "MeasureValue": Text(0, 2048),
        "MeasureValueType": Text(choices=_MEASURE_TYPES),
        "Time": Text(1, 256),
        "TimeUnit": Text(choices=_TIME_UNITS),
        "Version": Number(),
        "MeasureValues": ListOf(
            Structure({"Name": Text(1), "Value": Text(1, 2048), "Type": Text(choices=_MEASURE_TYPES)})
        ),
    }
)
_RETENTION = Structure(
    {
        "MemoryStoreRetentionPeriodInHours": Number(1, 8766),
        "MagneticStoreRetentionPeriodInDays": Number(1, 73_000),
    }
)
_BUCKET = Text(3, 63, r"[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9]")
_KEY_PATTERN = r"[a-zA-Z0-9|!\-_*'\(\)]([a-zA-Z0-9]|[!\-_*'\(\)\/.])+"
_KEY = Text(1, 1024, _KEY_PATTERN)
_S3 = Structure(
    optional={
        "BucketName": _BUCKET,
        "ObjectKeyPrefix": Text(1, 928, _KEY_PATTERN),
        "EncryptionOption": Text(choices=("SSE_S3", "SSE_KMS")),
        "KmsKeyId": Text(1, 2048),
    }
)
_MAGNETIC_WRITES = Structure(
    {"EnableMagneticStoreWrites": Flag()},
    {"MagneticStoreRejectedDataLocation": Structure(optional={"S3Configuration": _S3})},
)
_SCHEMA = Structure(
    optional={
        "CompositePartitionKey": ListOf(
            Structure(
                {"Type": Text(choices=("DIMENSION", "MEASURE"))},
                {"Name": Text(1), "EnforcementInRecord": Text(choices=("REQUIRED", "OPTIONAL"))},
            ),
            1,
        )
    }
)
_NOTIFICATION = Structure({"RoleArn": _ARN}, {"SnsConfiguration": Structure({"TopicArn": _ARN})})
_COMPUTE = Structure(
    optional={
        "ComputeMode": Text(choices=("ON_DEMAND", "PROVISIONED")),
        "ProvisionedCapacity": Structure(
            {"TargetQueryTCU": Number(4, 1000)}, {"NotificationConfiguration": _NOTIFICATION}
        ),
    }
)
_TABLE_SETTINGS: dict[str, Shape] = {
    "RetentionProperties": _RETENTION,
    "MagneticStoreWriteProperties": _MAGNETIC_WRITES,
    "Schema": _SCHEMA,
}
_NAME = Text(1)
_TEXT = Text(1, 256)
_ATTRIBUTES = ListOf(
    Structure(
        {"SourceColumn": _NAME},
        {"TargetMultiMeasureAttributeName": _NAME, "MeasureValueType": Text(choices=_MEASURE_TYPES[:-1])},
    ),
    1,
)
DATA_MODEL = Structure(
    {"DimensionMappings": ListOf(Structure(optional={"SourceColumn": _NAME, "DestinationColumn": _NAME}), 1)},
    {
        "TimeColumn": _TEXT,
        "TimeUnit": Text(choices=_TIME_UNITS),
        "MeasureNameColumn": _TEXT,
        "MultiMeasureMappings": Structure(
            {"MultiMeasureAttributeMappings": _ATTRIBUTES}, {"TargetMultiMeasureName": _NAME}
        ),
        "MixedMeasureMappings": ListOf(
            Structure(
                {"MeasureValueType": Text(choices=_MEASURE_TYPES)},
                {
                    "MeasureName": _NAME,
                    "SourceColumn": _NAME,
                    "TargetMeasureName": _NAME,
                    "MultiMeasureAttributeMappings": _ATTRIBUTES,
                },
            ),
            1,
        ),
    },
)
_SIGN = Text(1, 1)
_CSV = Structure(
    optional={
        "ColumnSeparator": _SIGN,
        "EscapeChar": _SIGN,
        "QuoteChar": _SIGN,
        "NullValue": _TEXT,
        "TrimWhiteSpace": Flag(),
    }
)
_SOURCE = Structure(
    {
        "DataSourceS3Configuration": Structure({"BucketName": _BUCKET}, {"ObjectKeyPrefix": _KEY}),
        "DataFormat": Text(choices=("CSV",)),
    },
    {"CsvConfiguration": _CSV},
)
_BATCH_LOAD = Structure(
    {
        "DataSourceConfiguration": _SOURCE,
        "ReportConfiguration": Structure(
            optional={
                "ReportS3Configuration": Structure(
                    {"BucketName": _BUCKET}, {name: of for name, of in _S3.optional.items() if name != "BucketName"}
                )
            }
        ),
        "TargetDatabaseName": _NEW_NAME,
        "TargetTableName": _NEW_NAME,
    },
    {
        "ClientToken": Text(1, 64),
        "DataModelConfiguration": Structure(
            optional={
                "DataModel": DATA_MODEL,
                "DataModelS3Configuration": Structure(optional={"BucketName": _BUCKET, "ObjectKey": _KEY}),
            }
        ),
        "RecordVersion": Number(),
    },
)
_COLUMN = Text()
_TARGET_ATTRIBUTES = ListOf(
    Structure(
        {"SourceColumn": _COLUMN, "MeasureValueType": Text(choices=_MEASURE_TYPES[:-1])},
        {"TargetMultiMeasureAttributeName": _COLUMN},
    ),
    1,
)
_DESTINATION = Structure(
    {
        "DatabaseName": _ANY_NAME,
        "TableName": _ANY_NAME,
        "TimeColumn": _COLUMN,
        "DimensionMappings": ListOf(Structure({"Name": _COLUMN, "DimensionValueType": Text(choices=("VARCHAR",))})),
    },
    {
        "MeasureNameColumn": _COLUMN,
        "MultiMeasureMappings": Structure(
            {"MultiMeasureAttributeMappings": _TARGET_ATTRIBUTES}, {"TargetMultiMeasureName": _COLUMN}
        ),
        "MixedMeasureMappings": ListOf(
            Structure(
                {"MeasureValueType": Text(choices=tuple(kind for kind in _MEASURE_TYPES if kind != "TIMESTAMP"))},
                {
                    "MeasureName": _COLUMN,
                    "SourceColumn": _COLUMN,
                    "TargetMeasureName": _COLUMN,
                    "MultiMeasureAttributeMappings": _TARGET_ATTRIBUTES,
                },
            ),
            1,
        ),
    },
)
_ERROR_REPORTS = Structure(
    {
        "S3Configuration": Structure(
            {"BucketName": _BUCKET},
            {
                "ObjectKeyPrefix": Text(1, 896, _KEY_PATTERN),
                "EncryptionOption": Text(choices=("SSE_S3", "SSE_KMS")),
            },
        )
    }
)
_CLIENT_TOKEN = Text(32, 128)
_SCHEDULED_QUERY = Structure(
    {
        "Name": Text(1, 64, _KEY_PATTERN),
        "QueryString": Text(1, 262_144),
        "ScheduleConfiguration": Structure({"ScheduleExpression": Text(1, 256)}),
        "NotificationConfiguration": Structure({"SnsConfiguration": Structure({"TopicArn": _ARN})}),
        "ScheduledQueryExecutionRoleArn": _ARN,
        "ErrorReportConfiguration": _ERROR_REPORTS,
    },
    {
        "TargetConfiguration": Structure({"TimestreamConfiguration": _DESTINATION}),
        "ClientToken": _CLIENT_TOKEN,
        "Tags": _TAGS,
        "KmsKeyId": Text(1, 2048),
    },
)
_TASK = Structure({"TaskId": Text(3, 32, r"[A-Z0-9]+")})
_TABLE: dict[str, Shape] = {"DatabaseName": _ANY_NAME, "TableName": _ANY_NAME}
_PAGE: dict[str, Shape] = {"NextToken": Text(1), "MaxResults": Number(1, 20)}

REQUESTS: Mapping[str, Structure] = {
    "DescribeEndpoints": Structure(),
    "CreateDatabase": Structure({"DatabaseName": _NEW_NAME}, {"KmsKeyId": Text(1, 2048), "Tags": _TAGS}),
    "UpdateDatabase": Structure({"DatabaseName": _ANY_NAME, "KmsKeyId": Text(1, 2048)}),
    "ListTagsForResource": Structure({"ResourceARN": _ARN}, {"NextToken": Text(1), "MaxResults": Number(1, 200)}),
    "TagResource": Structure({"ResourceARN": _ARN, "Tags": _TAGS}),
    "UntagResource": Structure({"ResourceARN": _ARN, "TagKeys": ListOf(Text(1, 128), 0, 200)}),
    "DescribeAccountSettings": Structure(),
    "UpdateAccountSettings": Structure(
        optional={
            "MaxQueryTCU": Number(4, 1000),
            "QueryPricingModel": Text(choices=("BYTES_SCANNED", "COMPUTE_UNITS")),
            "QueryCompute": _COMPUTE,
        }
    ),
    "DescribeDatabase": Structure({"DatabaseName": _ANY_NAME}),
    "DeleteDatabase": Structure({"DatabaseName": _ANY_NAME}),
    "ListDatabases": Structure(optional=_PAGE),
    "CreateTable": Structure({"DatabaseName": _NEW_NAME, "TableName": _NEW_NAME}, {**_TABLE_SETTINGS, "Tags": _TAGS}),
    "DescribeTable": Structure(_TABLE),
    "UpdateTable": Structure(_TABLE, _TABLE_SETTINGS),
    "DeleteTable": Structure(_TABLE),
    "ListTables": Structure(optional={"DatabaseName": _ANY_NAME, **_PAGE}),
    "WriteRecords": Structure(
        {**_TABLE, "Records": ListOf(_RECORD, 1, 100)},
        {"CommonAttributes": _RECORD},
    ),
    "Query": Structure(
        {"QueryString": Text(1, 262_144)},
        {
            "ClientToken": _CLIENT_TOKEN,
            "NextToken": Text(1, 2048),
            "MaxRows": Number(1, 1000),
            "QueryInsights": Structure({"Mode": Text(choices=("ENABLED_WITH_RATE_CONTROL", "DISABLED"))}),
        },
    ),
    "CreateBatchLoadTask": _BATCH_LOAD,
    "DescribeBatchLoadTask": _TASK,
    "ResumeBatchLoadTask": _TASK,
    "ListBatchLoadTasks": Structure(
        optional={
            "NextToken": Text(1),
            "MaxResults": Number(1, 100),
            "TaskStatus": Text(choices=_TASK_STATES),
        }
    ),
    "CreateScheduledQuery": _SCHEDULED_QUERY,
    "DescribeScheduledQuery": Structure({"ScheduledQueryArn": _ARN}),
    "DeleteScheduledQuery": Structure({"ScheduledQueryArn": _ARN}),
    "UpdateScheduledQuery": Structure({"ScheduledQueryArn": _ARN, "State": Text(choices=("ENABLED", "DISABLED"))}),
    "ListScheduledQueries": Structure(optional={"NextToken": Text(1), "MaxResults": Number(1, 1000)}),
    "ExecuteScheduledQuery": Structure(
        {"ScheduledQueryArn": _ARN, "InvocationTime": Time()},
        {
            "ClientToken": _CLIENT_TOKEN,
            "QueryInsights": Structure({"Mode": Text(choices=("ENABLED_WITH_RATE_CONTROL", "DISABLED"))}),
        },
    ),
    "PrepareQuery": Structure({"QueryString": Text(1, 262_144)}, {"ValidateOnly": Flag()}),
    "CancelQuery": Structure({"QueryId": Text(1, 64, r"[a-zA-Z0-9]+")}),
}


def check(operation: str, request: Any) -> None:
    """Raises ShapeViolation with all violations if `request` does not have the shape of this operation's requests."""
    with suppress(msgspec.ValidationError):  # it tells the first fault only
        msgspec.convert(request, _request_type(operation))
        return
    _report(REQUESTS[operation], request)


@lru_cache(maxsize=len(REQUESTS))
def _request_type(operation: str) -> Any:
    """The shape of an operation's requests as a type that msgspec checks."""
    found = _type_of(REQUESTS[operation])
    msgspec.json.Decoder(found)  # what msgspec has to know of it is complete before another thread uses it
    return found


def _type_of(shape: Shape) -> Any:
    match shape:
        case Text(choices=()):
            pattern = None if shape.pattern is None else rf"^(?:{shape.pattern})?\Z"
            return Annotated[str, msgspec.Meta(min_length=shape.low, max_length=shape.high, pattern=pattern)]
        case Text():
            return Literal[shape.choices]
        case Number():
            low = -(2**63) if shape.low is None else shape.low
            return Annotated[int, msgspec.Meta(ge=low, le=2**63 - 1 if shape.high is None else shape.high)]
        case Time():
            return float
        case Flag():
            return bool
        case ListOf():
            return Annotated[
                list[_type_of(shape.member)],  # type: ignore[misc]  # made at run time
                msgspec.Meta(min_length=shape.low, max_length=shape.high),
            ]
        case Structure():
            required = [(name, _type_of(member)) for name, member in shape.required.items()]
            optional = [(name, _type_of(member) | None, None) for name, member in shape.optional.items()]
            return msgspec.defstruct("Request", [*required, *optional])


def _report(shape: Structure, request: Any) -> None:
    found: list[str] = []
    for path, value, constraint in violations(shape, request, ()):
        shown = "null" if value is None else _shown(value)
        found.append(f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}")
        if len(found) == _VIOLATIONS_MAX:
            break
    if found:
        plural = "error" if len(found) == 1 else "errors"
        raise ShapeViolation(f"{len(found)} validation {plural} detected: {'; '.join(found)}")


_Path: TypeAlias = tuple[str, ...]


def violations(shape: Shape, value: Any, path: _Path) -> Iterator[tuple[str, Any, str]]:
    """Each member that does not have its shape, in lower camel case: (path, value, what it must satisfy)."""
    where = ".".join(path) or "request"
    match shape:
        case Text():
            yield from ((where, value, text) for text in _text_constraints(shape, value))
        case Number():
            yield from ((where, value, text) for text in _number_constraints(shape, value))
        case Time():
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield where, value, "Member must be a timestamp"
        case Flag():
            if not isinstance(value, bool):
                yield where, value, "Member must be a boolean"
        case ListOf():
            yield from _list_violations(shape, value, path)
        case Structure():
            if not isinstance(value, dict):
                yield where, value, "Member must be a structure"
                return
            yield from _member_violations(shape, value, path)


def _member_violations(shape: Structure, value: dict[str, Any], path: _Path) -> Iterator[tuple[str, Any, str]]:
    for name, member in (*shape.required.items(), *shape.optional.items()):
        inner = (*path, name[:1].lower() + name[1:])
        if value.get(name) is not None:
            yield from violations(member, value[name], inner)
        elif name in shape.required:
            yield ".".join(inner), None, "Member must not be null"


def _list_violations(shape: ListOf, value: Any, path: _Path) -> Iterator[tuple[str, Any, str]]:
    where = ".".join(path)
    if not isinstance(value, list):
        yield where, value, "Member must be a list"
        return
    if len(value) < shape.low:
        yield where, value, f"Member must have length greater than or equal to {shape.low}"
    if shape.high is not None and len(value) > shape.high:
        yield where, value, f"Member must have length less than or equal to {shape.high}"
        return
    for number, item in enumerate(value, start=1):
        yield from violations(shape.member, item, (*path, str(number), "member"))


def _text_constraints(shape: Text, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield "Member must be a string"
        return
    if shape.choices and value not in shape.choices:
        yield f"Member must satisfy enum value set: [{', '.join(shape.choices)}]"
    if len(value) < shape.low:
        yield f"Member must have length greater than or equal to {shape.low}"
    if shape.high is not None and len(value) > shape.high:
        yield f"Member must have length less than or equal to {shape.high}"
    if shape.pattern is not None and value and re.fullmatch(shape.pattern, value) is None:
        yield f"Member must satisfy regular expression pattern: {shape.pattern}"


def _number_constraints(shape: Number, value: Any) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        yield "Member must be a long"
        return
    if shape.low is not None and value < shape.low:
        yield f"Member must have value greater than or equal to {shape.low}"
    if shape.high is not None and value > shape.high:
        yield f"Member must have value less than or equal to {shape.high}"


def _shown(value: Any) -> str:
    text = str(value)
    return f"'{text if len(text) <= 256 else text[:256] + '…'}'"
