"""The messages about scheduled queries, in the service's form. Pure.

Reference: Timestream developer guide, "Scheduled query concepts" and "Notification messages for scheduled queries".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from store.endpoint.arns import scheduled_arn
from store.endpoint.scheduled_query import Message, Run, ScheduledQuery

CREATING, UPDATE, DELETED = "SCHEDULED_QUERY_CREATING", "SCHEDULED_QUERY_UPDATE", "SCHEDULED_QUERY_DELETED"


def message_of(account: str, query: ScheduledQuery, kind: str, now_ns: int, run: Run | None = None) -> Message:
    """The message that something has happened to a query; `run` if it is the end of one."""
    arn = scheduled_arn(query.region, account, query.id)
    following = {} if query.next_ns is None else {"nextInvocationEpochSecond": query.next_ns // 1_000_000_000}
    summary = {} if run is None else {"scheduledQueryRunSummary": _summary(run)}
    state = {"state": "ENABLED" if query.is_enabled else "DISABLED"} if kind == UPDATE else {}
    content = {"type": kind, "arn": arn, **state, **following, **summary}
    number = now_ns if run is None else run.trigger_ns
    return Message(f"{query.id}.{kind}.{number}", query.topic, arn, content, now_ns, now_ns)


def attributes_of(message: Message) -> Mapping[str, str]:
    """The attributes of a message: its type and the ARN of its query."""
    return {"notificationType": message.content["type"], "queryArn": message.arn}


def _summary(run: Run) -> dict[str, Any]:
    bucket, key = run.report or ("", "")
    location = {"s3ReportLocation": {"bucketName": bucket, "objectKey": key}}
    return {
        "invocationEpochSecond": run.invocation_ns // 1_000_000_000,
        "triggerTimeMillis": run.trigger_ns // 1_000_000,
        "runStatus": run.status,
        "executionStats": {
            "executionTimeInMillis": run.took_ms,
            "dataWrites": run.data_writes,
            "bytesMetered": run.metered_bytes,
            "cumulativeBytesScanned": run.scanned_bytes,
            "recordsIngested": run.ingested,
            "queryResultRows": run.rows,
        },
        **({"queryInsightsResponse": _in_camel_case(run.insights)} if run.insights is not None else {}),
        **({"errorReportLocation": location} if run.report else {}),
        **({"failureReason": run.failure} if run.failure else {}),
    }


def _in_camel_case(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name[:1].lower() + name[1:]: _in_camel_case(of) for name, of in value.items()}
