"""Requests for scheduled queries of a table `t` with the target `sums`, and what makes their runs."""

import asyncio
from typing import Any

from timestream_service import NOW_NS, Service

MINUTE_NS = 60_000_000_000
NOW_MS = NOW_NS // 1_000_000
ROLE, TOPIC = "arn:aws:iam::1:role/r", "arn:aws:sns:eu-west-1:1:t"
QUERY = """SELECT host, bin(time, 1m) AS minute, avg(measure_value::double) AS mean, count(*) AS n, max(time) AS newest
FROM db.t WHERE time > @scheduled_runtime - 5m AND time <= @scheduled_runtime GROUP BY host, bin(time, 1m)"""
TARGET = {
    "DatabaseName": "db",
    "TableName": "sums",
    "TimeColumn": "minute",
    "DimensionMappings": [{"Name": "host", "DimensionValueType": "VARCHAR"}],
    "MultiMeasureMappings": {
        "TargetMultiMeasureName": "m",
        "MultiMeasureAttributeMappings": [
            {"SourceColumn": "mean", "TargetMultiMeasureAttributeName": "average", "MeasureValueType": "DOUBLE"},
            {"SourceColumn": "n", "MeasureValueType": "BIGINT"},
            {"SourceColumn": "newest", "MeasureValueType": "TIMESTAMP"},
        ],
    },
}


def request_of(name: str = "q1", target: dict[str, Any] | None = TARGET, **more: Any) -> dict[str, Any]:
    configured = {} if target is None else {"TargetConfiguration": {"TimestreamConfiguration": target}}
    return {
        "Name": name,
        "QueryString": QUERY,
        "ScheduleConfiguration": {"ScheduleExpression": "rate(1 minute)"},
        "NotificationConfiguration": {"SnsConfiguration": {"TopicArn": TOPIC}},
        "ScheduledQueryExecutionRoleArn": ROLE,
        "ErrorReportConfiguration": {"S3Configuration": {"BucketName": "reports", "ObjectKeyPrefix": "of/queries"}},
        **configured,
        **more,
    }


def ingest(write: Any, value: float, seconds_ago: float, host: str = "a", version: int = 1) -> None:
    record = {
        "Dimensions": [{"Name": "host", "Value": host}],
        "MeasureName": "cpu",
        "MeasureValue": str(value),
        "Time": str(NOW_MS - int(seconds_ago * 1000)),
        "Version": version,
    }
    write.write_records(DatabaseName="db", TableName="t", Records=[record])


def run_due(service: Service, worker: str = "") -> None:
    asyncio.run(service.endpoint.scheduled(lambda _: service.buckets, worker).run_due())
