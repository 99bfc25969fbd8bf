"""Tables and scheduled queries, as requests of Timestream's protocol: `aws … --cli-input-json file://…` sends them."""

from __future__ import annotations

import re
from typing import Any

from pipeline.operations.migrate.finding import Report, Translation, Verdict
from pipeline.operations.migrate.statements import judge_statement
from pipeline.operations.migrate.tree import Text, Tree, Value
from store.endpoint.errors import EndpointError
from store.endpoint.shapes import check

_NUMBERS = {"MemoryStoreRetentionPeriodInHours", "MagneticStoreRetentionPeriodInDays"}
_FLAGS = {"EnableMagneticStoreWrites"}
_OF_SCHEDULED = (
    *("Name", "QueryString", "ScheduleConfiguration", "NotificationConfiguration", "TargetConfiguration"),
    *("ScheduledQueryExecutionRoleArn", "ErrorReportConfiguration", "Tags", "KmsKeyId"),
)
_OF_TABLE = (*("DatabaseName", "TableName", "RetentionProperties", "MagneticStoreWriteProperties", "Schema", "Tags"),)


def scheduled_query_of(value: Value) -> Tree | None:
    """The scheduled query in the answer of DescribeScheduledQuery; None if it is none."""
    if not isinstance(value, Tree):
        return None
    found = value.tree("ScheduledQuery") or value
    return found if found.text("QueryString") and "ScheduleConfiguration" in found else None


def check_scheduled_query(file: str, found: Tree, report: Report) -> None:
    """Judge its statement, and translate it into a request that creates it here."""
    name = found.text("Name") or "scheduled"
    query = found.get("QueryString")
    line = query.line if isinstance(query, Text) else found.line
    if judge_statement(file, line, f"statement of the scheduled query {name!r}", str(query), report):
        _add_request(file, found, f"scheduled query {name!r}", "CreateScheduledQuery", _OF_SCHEDULED, name, report)


def check_table(file: str, found: Tree, report: Report) -> None:
    """Translate a table into a request that creates it here."""
    name = f"{found.text('DatabaseName')}.{found.text('TableName')}"
    _add_request(file, found, f"table {name}", "CreateTable", _OF_TABLE, name, report)


def check_database(file: str, found: Tree, report: Report) -> None:
    """Translate a database into a request that creates it here."""
    name = found.text("DatabaseName")
    _add_request(file, found, f"database {name}", "CreateDatabase", ("DatabaseName", "Tags"), name, report)


def take_retention(translation: Translation) -> None:
    """Let the tables of the streamgauge.yaml have the retention of requests that would create them, in their place."""
    for name, (operation, request) in list(translation.requests.items()):
        section = translation.tables.get(f"{request.get('DatabaseName')}.{request.get('TableName')}")
        if operation == "CreateTable" and section is not None:
            days = request.get("RetentionProperties", {})
            hours = days.get("MemoryStoreRetentionPeriodInHours", 6)  # the service's defaults
            section["retention"] = {
                "memory": f"{hours}h",
                "magnetic": f"{days.get('MagneticStoreRetentionPeriodInDays', 73_000)}d",
            }
            del translation.requests[name]


def _add_request(
    file: str, found: Tree, what: str, operation: str, members: tuple[str, ...], name: str, report: Report
) -> None:
    request = {member: _plain(member, found[member]) for member in members if found.get(member) is not None}
    try:
        check(operation, request)
    except EndpointError as error:
        report.add(file, found.line, Verdict.NOT, what, str(error))
        return
    target = f"requests/{operation}-{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.json"
    report.translation.requests[target] = operation, request
    report.add(file, found.line, Verdict.TRANSLATED, what, f"into {target}")


def _plain(name: str, value: Value) -> Any:
    if isinstance(value, Tree):
        return {key: _plain(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(name, inner) for inner in value]
    if value is not None and name in _NUMBERS and value.strip().isdigit():
        return int(value)
    if value is not None and name in _FLAGS:
        return value.lower() == "true"
    return None if value is None else str(value)
