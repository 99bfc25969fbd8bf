"""CreateScheduledQuery, DescribeScheduledQuery, ListScheduledQueries, UpdateScheduledQuery, DeleteScheduledQuery,
ExecuteScheduledQuery.

Roles and keys (`ScheduledQueryExecutionRoleArn`, `KmsKeyId`) are kept and returned, and have no effect.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from store.endpoint import tags
from store.endpoint.arns import parse_scheduled_arn, scheduled_arn
from store.endpoint.context import Context
from store.endpoint.errors import Conflict, ScheduledQueryNotFound, ServiceQuotaExceeded, Validation
from store.endpoint.pages import page
from store.endpoint.prepare import prepare
from store.endpoint.scheduled.messages import CREATING, DELETED, UPDATE, message_of
from store.endpoint.scheduled.schedule import SECOND_NS, parse_schedule
from store.endpoint.scheduled.target import model_of, target_fault
from store.endpoint.scheduled_query import (
    Message,
    Run,
    Scheduled,
    ScheduledQuery,
    Started,
    change_scheduled,
    scheduled_queries,
)
from store.endpoint.write import find_table, refuse_made
from store.record import TableId
from store.sql.parameters import SCHEDULED_RUNTIME

QUERIES_MAX = 1_000  # of an account
KEPT_MAX_BYTES = 2**20  # of the scheduled queries of an account: they are kept in the catalog
ASKED_MAX = 100  # runs of one query that wait
PAGE_MAX = 1_000

_RETURNED = (
    "ScheduleConfiguration",
    "NotificationConfiguration",
    "TargetConfiguration",
    "ScheduledQueryExecutionRoleArn",
    "KmsKeyId",
    "ErrorReportConfiguration",
)


async def create(call: Context) -> dict[str, object]:
    """Create a scheduled query; one that was created with the same ClientToken is returned. Raises EndpointError."""
    request = {name: value for name, value in call.request.items() if value is not None and name != "Tags"}
    same = await call.runner.run(lambda: _same(scheduled_queries(call.store.catalog, call.account), request))
    if same is None:
        new = _new(call, request)
        await _check_query(call, request)
        same = await call.runner.run(lambda: _kept(call, request, new), text=call.operation)
    return {"Arn": _arn(call, same)}


def describe(call: Context) -> dict[str, object]:
    """What is known of one. Raises ResourceNotFound."""
    query = _found(call, scheduled_queries(call.store.catalog, call.account))
    last = {} if query.last is None else {"LastRunSummary": _summary(query.last)}
    return {
        "ScheduledQuery": {
            **_entry(call, query),
            "QueryString": query.request["QueryString"],
            **{name: query.request[name] for name in _RETURNED if name in query.request},
            **last,
            "RecentlyFailedRuns": [_summary(run) for run in query.failed],
        }
    }


def list_queries(call: Context) -> dict[str, object]:
    """The account's scheduled queries, by their names."""
    found = sorted(scheduled_queries(call.store.catalog, call.account).values(), key=_id)
    return page(call.request, found, _id, "ScheduledQueries", lambda query: _listed(call, query), most=PAGE_MAX)


def update(call: Context) -> dict[str, object]:
    """Enable or disable one. Runs that were due while it was disabled are left out. Raises ResourceNotFound."""

    def changed(scheduled: Scheduled) -> None:
        query = _found(call, scheduled.queries)
        is_enabled = call.request["State"] == "ENABLED"
        if is_enabled != query.is_enabled:
            query.is_enabled = is_enabled
            query.next_ns = _schedule(query.request, query.created_ns)(call.now_ns) if is_enabled else None
            scheduled.tell(_message(call, query, UPDATE))

    change_scheduled(call.store.catalog, call.account, changed)
    return {}


def delete(call: Context) -> dict[str, object]:
    """Delete one. Raises ResourceNotFound."""

    def changed(scheduled: Scheduled) -> None:
        query = scheduled.queries.pop(_found(call, scheduled.queries).id)
        query.next_ns = None
        scheduled.tell(_message(call, query, DELETED))

    change_scheduled(call.store.catalog, call.account, changed)
    return {}


def execute(call: Context) -> dict[str, object]:
    """Run one as if it were the time of the request. Raises ResourceNotFound, Validation, ServiceQuotaExceeded."""
    seconds = call.request["InvocationTime"]
    if not 0 <= seconds < 2**63 / SECOND_NS:
        raise Validation(f"InvocationTime is {seconds}; it must be a time from 1970 to 2262.")
    insights = (call.request.get("QueryInsights") or {}).get("Mode") == "ENABLED_WITH_RATE_CONTROL"
    run = Started(round(seconds * 1_000_000) * 1_000, is_manual=True, wants_insights=insights)

    def changed(scheduled: Scheduled) -> None:
        query = _found(call, scheduled.queries)
        if run in query.asked:
            return
        if len(query.asked) >= ASKED_MAX:
            raise ServiceQuotaExceeded(f"{ASKED_MAX} runs of the scheduled query {query.id} wait already.")
        query.asked = [*query.asked, run]

    change_scheduled(call.store.catalog, call.account, changed)
    return {}


OPERATIONS: Mapping[str, Callable[[Context], dict[str, object]]] = {
    "DescribeScheduledQuery": describe,
    "ListScheduledQueries": list_queries,
    "UpdateScheduledQuery": update,
    "DeleteScheduledQuery": delete,
    "ExecuteScheduledQuery": execute,
}


def _same(queries: Mapping[str, ScheduledQuery], request: Mapping[str, Any]) -> ScheduledQuery | None:
    """The one that was created with this ClientToken. Raises Conflict if it was created with another request."""
    token = request.get("ClientToken")
    same = next((query for query in queries.values() if token and query.request.get("ClientToken") == token), None)
    if same is not None and same.request != request:
        raise Conflict("A scheduled query was created with this ClientToken and another request.")
    return same


def _new(call: Context, request: dict[str, Any]) -> ScheduledQuery:
    given = call.request.get("Tags") or []
    tags.check(given)
    next_ns = _schedule(request, call.now_ns)(call.now_ns)
    suffix = uuid.uuid4().hex[:12]
    return ScheduledQuery(
        f"{request['Name']}-{suffix}", call.region, request, call.now_ns, next_ns=next_ns, tags=list(given)
    )


def _kept(call: Context, request: Mapping[str, Any], new: ScheduledQuery) -> ScheduledQuery:
    def changed(scheduled: Scheduled) -> ScheduledQuery:
        queries = scheduled.queries
        same = _same(queries, request)
        if same is not None:
            return same
        if any(query.request["Name"] == request["Name"] for query in queries.values()):
            raise Conflict(f"A scheduled query with the name {request['Name']} exists already.")
        queries[new.id] = new
        size = sum(len(msgspec.json.encode(query.request)) for query in queries.values())
        if len(queries) > QUERIES_MAX or size > KEPT_MAX_BYTES:
            raise ServiceQuotaExceeded(
                f"The account would have {len(queries)} scheduled queries of {size} bytes; {QUERIES_MAX} and "
                f"{KEPT_MAX_BYTES} bytes are allowed."
            )
        scheduled.tell(_message(call, new, CREATING))
        return new

    return change_scheduled(call.store.catalog, call.account, changed)


def _message(call: Context, query: ScheduledQuery, kind: str) -> Message | None:
    """The message about it; None if its topic leads nowhere."""
    return message_of(call.account, query, kind, call.now_ns) if call.topics.leads(call.account, query.topic) else None


def _schedule(request: Mapping[str, Any], created_ns: int) -> Callable[[int], int | None]:
    try:
        return parse_schedule(request["ScheduleConfiguration"]["ScheduleExpression"], created_ns)
    except ValueError as error:
        raise Validation(f"Invalid schedule expression: {error}") from error


async def _check_query(call: Context, request: Mapping[str, Any]) -> None:
    """Raises Validation, ResourceNotFound if the query cannot be run, or its result not be stored."""
    prepared = await prepare(call, request["QueryString"])
    unknown = [of["Name"] for of in prepared["Parameters"] if of["Name"] != SCHEDULED_RUNTIME]
    if unknown:
        raise Validation(f"The query has the parameter @{unknown[0]}; a scheduled query has only @{SCHEDULED_RUNTIME}.")
    target = (request.get("TargetConfiguration") or {}).get("TimestreamConfiguration")
    if target is None:
        return
    table = TableId(call.account, target["DatabaseName"], target["TableName"])
    refuse_made(call, table)
    types = {of["Name"]: of["Type"].get("ScalarType", "of parts") for of in prepared["Columns"]}
    fault = target_fault(model_of(target), types)
    if fault is not None:
        raise Validation(fault)
    info = await call.runner.run(lambda: find_table(call.store, table), text=call.operation)
    key, mapped = info.settings.partition_key, {of["Name"] for of in target["DimensionMappings"]}
    if key is not None and key.is_required and key.dimension not in mapped:
        raise Validation(f"The target's partition key is the dimension {key.dimension}, which DimensionMappings lacks.")


def _found(call: Context, queries: Mapping[str, ScheduledQuery]) -> ScheduledQuery:
    arn = call.request["ScheduledQueryArn"]
    query = queries.get(parse_scheduled_arn(arn, call.account) or "")
    if query is None:
        raise ScheduledQueryNotFound(arn)
    return query


def _id(query: ScheduledQuery) -> str:
    return query.id


def _arn(call: Context, query: ScheduledQuery) -> str:
    return scheduled_arn(query.region, call.account, query.id)


def _entry(call: Context, query: ScheduledQuery) -> dict[str, object]:
    previous = {} if query.last is None else {"PreviousInvocationTime": query.last.invocation_ns / 1e9}
    following = {} if query.next_ns is None else {"NextInvocationTime": query.next_ns / 1e9}
    return {
        "Arn": _arn(call, query),
        "Name": query.request["Name"],
        "CreationTime": query.created_ns / 1e9,
        "State": "ENABLED" if query.is_enabled else "DISABLED",
        **previous,
        **following,
    }


def _listed(call: Context, query: ScheduledQuery) -> dict[str, object]:
    target = query.target
    names = {} if target is None else {name: target[name] for name in ("DatabaseName", "TableName")}
    return {
        **_entry(call, query),
        "ErrorReportConfiguration": query.request["ErrorReportConfiguration"],
        **({} if target is None else {"TargetDestination": {"TimestreamDestination": names}}),
        **({} if query.last is None else {"LastRunStatus": query.last.status}),
    }


def _summary(run: Run) -> dict[str, object]:
    bucket, key = run.report or ("", "")
    location = {"S3ReportLocation": {"BucketName": bucket, "ObjectKey": key}}
    return {
        "InvocationTime": run.invocation_ns / 1e9,
        "TriggerTime": run.trigger_ns / 1e9,
        "RunStatus": run.status,
        "ExecutionStats": {
            "ExecutionTimeInMillis": run.took_ms,
            "DataWrites": run.data_writes,
            "BytesMetered": run.metered_bytes,
            "CumulativeBytesScanned": run.scanned_bytes,
            "RecordsIngested": run.ingested,
            "QueryResultRows": run.rows,
        },
        **({"QueryInsightsResponse": run.insights} if run.insights is not None else {}),
        **({"ErrorReportLocation": location} if run.report else {}),
        **({"FailureReason": run.failure} if run.failure else {}),
    }
