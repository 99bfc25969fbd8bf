"""Scheduled queries by boto3: kept as they were asked for, run when they are due, their results stored once."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from scheduled_requests import MINUTE_NS, QUERY, TARGET, ingest, request_of, run_due
from timestream_service import NOW_NS, Refused, Service

from store.endpoint import WriteRecord, patience
from store.endpoint.observing import NotObserved
from store.endpoint.scheduled.claims import ABANDONED_NS
from store.errors import MagneticTierError
from store.record import Applied, TableId

TOKEN = "a-token-of-thirty-two-characters"


def described(query: Any, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = query.describe_scheduled_query(ScheduledQueryArn=arn)["ScheduledQuery"]
    return found


def rows(query: Any, columns: str = "host, time, average, n", table: str = "sums") -> list[list[str | None]]:
    answer = query.query(QueryString=f"SELECT {columns} FROM db.{table} ORDER BY time, host, measure_name")
    return [[value.get("ScalarValue") for value in row["Data"]] for row in answer["Rows"]]


def test_a_result_is_stored_when_its_time_has_come(service: Service, made: Any, query: Any) -> None:
    arn = query.create_scheduled_query(**request_of())["Arn"]
    run_due(service)
    before = rows_of_sums(service)
    service.clock.now_ns += MINUTE_NS
    run_due(service)

    assert before == 0
    assert rows(query) == [["a", "2026-09-21 14:12:00.000000000", "3.0", "2"]]
    assert rows(query, "newest, measure_name") == [["2026-09-21 14:12:50.123000000", "m"]]
    found = described(query, arn)
    summary = found["LastRunSummary"]
    assert (summary["RunStatus"], "FailureReason" in summary) == ("AUTO_TRIGGER_SUCCESS", False)
    assert summary["InvocationTime"] == datetime(2026, 9, 21, 14, 14, 20, tzinfo=UTC)
    stats = summary["ExecutionStats"]
    assert (stats["QueryResultRows"], stats["RecordsIngested"], stats["BytesMetered"]) == (1, 1, 10_000_000)
    assert stats["DataWrites"] > 20
    assert stats["CumulativeBytesScanned"] > 0
    assert found["NextInvocationTime"] == datetime(2026, 9, 21, 14, 15, 20, tzinfo=UTC)
    assert found["PreviousInvocationTime"] == summary["InvocationTime"]


class Told(NotObserved):
    """What was told of runs."""

    def __init__(self) -> None:
        self.ended: list[tuple[bool, int]] = []
        self.behind_s: list[float] = []

    def run_ended(self, *, has_failed: bool, took_s: float, records: int) -> None:
        assert took_s > 0
        self.ended.append((has_failed, records))

    def runs_behind(self, seconds: float) -> None:
        self.behind_s.append(seconds)


async def test_what_runs_have_stored_and_how_far_they_are_behind_is_told(
    service: Service, made: Any, query: Any
) -> None:
    await asyncio.to_thread(lambda: query.create_scheduled_query(**request_of()))
    runner, told = service.endpoint.scheduled(lambda _: service.buckets), Told()
    runner.observer = told
    service.clock.now_ns += 3 * MINUTE_NS

    await runner._look(asyncio.Event())
    await asyncio.gather(*runner._tasks.values())
    await runner._look(asyncio.Event())

    assert told.ended == [(False, 1)] * 3
    assert [round(seconds) for seconds in told.behind_s] == [120, 0]


def test_a_description_has_what_was_asked_for(made: Any, query: Any) -> None:
    request = request_of(KmsKeyId="alias/k", Tags=[{"Key": "team", "Value": "b"}])

    arn = query.create_scheduled_query(**request)["Arn"]

    found = described(query, arn)
    assert arn.startswith("arn:aws:timestream:eu-west-1:")
    assert ":scheduled-query/q1-" in arn
    assert {name: found[name] for name in request.keys() - {"Tags"}} == {
        name: value for name, value in request.items() if name != "Tags"
    }
    assert (found["State"], found["Arn"], found["RecentlyFailedRuns"]) == ("ENABLED", arn, [])
    assert "LastRunSummary" not in found
    assert query.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "b"}]


def test_tags_of_a_scheduled_query_can_be_changed(made: Any, query: Any) -> None:
    arn = query.create_scheduled_query(**request_of())["Arn"]

    query.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    query.untag_resource(ResourceARN=arn, TagKeys=["a"])

    assert query.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": ""}]
    with pytest.raises(query.exceptions.ResourceNotFoundException):
        query.tag_resource(ResourceARN=f"{arn}x", Tags=[])


def test_the_same_token_is_the_same_query_and_names_are_unique(made: Any, query: Any) -> None:
    first = query.create_scheduled_query(**request_of(ClientToken=TOKEN))["Arn"]

    assert query.create_scheduled_query(**request_of(ClientToken=TOKEN))["Arn"] == first
    with pytest.raises(query.exceptions.ConflictException, match="with this ClientToken and another request"):
        query.create_scheduled_query(**request_of("other", ClientToken=TOKEN))
    with pytest.raises(query.exceptions.ConflictException, match="with the name q1 exists already"):
        query.create_scheduled_query(**request_of())


def test_queries_are_listed_in_pages(made: Any, query: Any) -> None:
    names = [f"query{number}" for number in range(5)]
    for name in reversed(names):
        query.create_scheduled_query(**request_of(name, None if name == "query0" else TARGET))

    pages = list(query.get_paginator("list_scheduled_queries").paginate(PaginationConfig={"PageSize": 2}))

    found = [entry for page in pages for entry in page["ScheduledQueries"]]
    assert ([entry["Name"] for entry in found], len(pages)) == (names, 3)
    assert "TargetDestination" not in found[0]
    assert found[1]["TargetDestination"] == {
        "TimestreamDestination": {"DatabaseName": "db", "TableName": "sums"},
    }


def test_what_is_deleted_is_gone_and_the_error_names_it(service: Service, made: Any, query: Any) -> None:
    arn = query.create_scheduled_query(**request_of())["Arn"]

    query.delete_scheduled_query(ScheduledQueryArn=arn)
    service.clock.now_ns += MINUTE_NS
    run_due(service)

    assert rows_of_sums(service) == 0
    for operation in ("describe_scheduled_query", "delete_scheduled_query"):
        with pytest.raises(query.exceptions.ResourceNotFoundException) as told:
            getattr(query, operation)(ScheduledQueryArn=arn)
        assert told.value.response["ScheduledQueryArn"] == arn
        assert str(told.value).endswith(f"The resource with arn {arn} does not exist.")


def rows_of_sums(service: Service) -> int:
    return int(service.ok("Query", QueryString="SELECT count(*) FROM db.sums")["Rows"][0]["Data"][0]["ScalarValue"])


def test_one_that_is_disabled_does_not_run_and_goes_on_when_it_is_enabled(
    service: Service, made: Any, query: Any
) -> None:
    arn = query.create_scheduled_query(**request_of())["Arn"]
    query.update_scheduled_query(ScheduledQueryArn=arn, State="DISABLED")
    service.clock.now_ns += 3 * MINUTE_NS
    run_due(service)
    disabled = described(query, arn)

    query.update_scheduled_query(ScheduledQueryArn=arn, State="ENABLED")
    run_due(service)
    enabled = described(query, arn)

    assert (disabled["State"], "NextInvocationTime" in disabled) == ("DISABLED", False)
    assert "LastRunSummary" not in enabled
    assert enabled["NextInvocationTime"] == datetime(2026, 9, 21, 14, 17, 20, tzinfo=UTC)


def test_a_run_by_hand_is_of_its_time_and_says_what_it_read(service: Service, made: Any, query: Any) -> None:
    ingest(made, 10.0, 3601)
    arn = query.create_scheduled_query(**request_of())["Arn"]
    moment = datetime.fromtimestamp(NOW_NS // 10**9 - 3600, UTC)

    query.execute_scheduled_query(
        ScheduledQueryArn=arn, InvocationTime=moment, QueryInsights={"Mode": "ENABLED_WITH_RATE_CONTROL"}
    )
    run_due(service)

    summary = described(query, arn)["LastRunSummary"]
    assert (summary["RunStatus"], summary["InvocationTime"]) == ("MANUAL_TRIGGER_SUCCESS", moment)
    insights = summary["QueryInsightsResponse"]
    assert (insights["QueryTableCount"], insights["OutputRows"]) == (1, 1)
    assert insights["OutputBytes"] > 0
    assert rows(query) == [["a", "2026-09-21 13:13:00.000000000", "10.0", "1"]]


def test_a_later_run_replaces_what_late_rows_change(service: Service, made: Any, query: Any) -> None:
    query.create_scheduled_query(**request_of())
    service.clock.now_ns += MINUTE_NS
    run_due(service)
    ingest(made, 9.0, 35)
    ingest(made, 8.0, 30, version=2)

    service.clock.now_ns += MINUTE_NS
    run_due(service)

    assert rows(query) == [["a", "2026-09-21 14:12:00.000000000", "7.0", "3"]]


def test_missed_runs_are_made_up_for_each_once(service: Service, made: Any, query: Any) -> None:
    plain = "SELECT 'a' AS host, @scheduled_runtime AS minute, 1.0 AS mean, 1 AS n, now() AS newest"
    query.create_scheduled_query(**request_of(QueryString=plain))

    service.clock.now_ns += 5 * MINUTE_NS
    for _ in range(3):
        run_due(service)

    assert [minute for (minute,) in rows(query, "time")] == [
        f"2026-09-21 14:{minute}:20.000000000" for minute in range(14, 19)
    ]


MIXED = {
    **{name: TARGET[name] for name in ("DatabaseName", "TableName", "TimeColumn", "DimensionMappings")},
    "MixedMeasureMappings": [
        {"SourceColumn": "mean", "TargetMeasureName": "average", "MeasureValueType": "DOUBLE"},
        {"SourceColumn": "n", "MeasureValueType": "BIGINT"},
        {
            "MeasureName": "both",
            "MeasureValueType": "MULTI",
            "MultiMeasureAttributeMappings": [
                {"SourceColumn": "mean", "MeasureValueType": "DOUBLE"},
                {"SourceColumn": "n", "MeasureValueType": "BIGINT"},
            ],
        },
    ],
}


def test_a_row_may_be_several_records(service: Service, made: Any, query: Any) -> None:
    query.create_scheduled_query(**request_of(target=MIXED))
    service.clock.now_ns += MINUTE_NS
    run_due(service)

    columns = "measure_name, measure_value::double, measure_value::bigint, mean, n"
    assert rows(query, columns) == [
        ["average", "3.0", None, None, None],
        ["both", None, None, "3.0", "2"],
        ["n", None, "2", None, None],
    ]


def test_a_column_may_name_the_measure(service: Service, made: Any, query: Any) -> None:
    target = {
        **{name: MIXED[name] for name in ("DatabaseName", "TableName", "TimeColumn", "DimensionMappings")},
        "MeasureNameColumn": "kind",
        "MixedMeasureMappings": [
            {"MeasureName": "cpu", "SourceColumn": "mean", "TargetMeasureName": "load", "MeasureValueType": "DOUBLE"},
            {"MeasureName": "other", "SourceColumn": "mean", "MeasureValueType": "DOUBLE"},
        ],
    }
    text = (
        "SELECT host, measure_name AS kind, max(time) AS minute, avg(measure_value::double) AS mean "
        "FROM db.t GROUP BY 1, 2"
    )
    query.create_scheduled_query(**request_of(target=target, QueryString=text))
    service.clock.now_ns += MINUTE_NS
    run_due(service)

    assert rows(query, "measure_name, measure_value::double") == [["load", "3.0"]]


def test_an_unload_may_be_scheduled(service: Service, made: Any, query: Any, tmp_path: Path) -> None:
    text = "UNLOAD (SELECT host FROM db.t WHERE time <= @scheduled_runtime) TO 's3://reports/out'"
    arn = query.create_scheduled_query(**request_of(target=None, QueryString=text))["Arn"]
    service.clock.now_ns += MINUTE_NS
    run_due(service)

    assert described(query, arn)["LastRunSummary"]["RunStatus"] == "AUTO_TRIGGER_SUCCESS"
    assert list((tmp_path / "reports/out").glob("*_manifest.json"))


def test_what_cannot_be_stored_is_reported(service: Service, made: Any, query: Any, tmp_path: Path) -> None:
    text = """SELECT host, bin(time, 1m) - IF(host = 'old', 1d, 0s) AS minute, avg(measure_value::double) AS mean,
    count(*) AS n, CAST(NULL AS timestamp) AS newest FROM db.t GROUP BY 1, 2"""
    ingest(made, 1.0, 20, "old")
    arn = query.create_scheduled_query(**request_of(QueryString=text))["Arn"]
    service.clock.now_ns += MINUTE_NS
    run_due(service)

    found = described(query, arn)
    summary = found["LastRunSummary"]
    assert (summary["RunStatus"], found["State"]) == ("AUTO_TRIGGER_FAILURE", "ENABLED")
    assert found["RecentlyFailedRuns"] == [summary]
    assert summary["ExecutionStats"]["RecordsIngested"] == 1
    assert "1 records or rows of the result could not be stored; the first: The record timestamp" in str(summary)
    location = summary["ErrorReportLocation"]["S3ReportLocation"]
    assert location["ObjectKey"].startswith("of/queries/")
    report = json.loads((tmp_path / location["BucketName"] / location["ObjectKey"]).read_bytes())
    (error,) = report["errors"]
    assert "outside the time range" in error["reason"]
    (record,) = error["records"]
    assert record["dimensions"] == [{"name": "host", "value": "old", "dimensionValueType": None}]
    assert [value["name"] for value in record["measureValues"]] == ["average", "n"]


def test_failed_runs_are_the_last_five_and_a_target_that_is_gone_disables(
    service: Service, made: Any, query: Any
) -> None:
    text = "SELECT host, time AS minute, 1.0 + 1 / (n - n) AS mean, n, time AS newest FROM"
    arn = query.create_scheduled_query(**request_of(QueryString=f"{text} (SELECT host, time, 1 AS n FROM db.t)"))["Arn"]
    service.clock.now_ns += 7 * MINUTE_NS
    run_due(service)
    failing = described(query, arn)

    made.delete_table(DatabaseName="db", TableName="t")
    service.clock.now_ns += MINUTE_NS
    run_due(service)
    disabled = described(query, arn)

    assert failing["State"] == "ENABLED"
    assert [run["FailureReason"] for run in failing["RecentlyFailedRuns"]] == ["Division by zero"] * 5
    assert (disabled["State"], "NextInvocationTime" in disabled) == ("DISABLED", False)
    assert "Requested table 't' not found" in disabled["LastRunSummary"]["FailureReason"]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"ScheduleConfiguration": {"ScheduleExpression": "cron(0 10 * * *)"}},
            "Invalid schedule expression: .* 5 field",
        ),
        ({"QueryString": "SELECT nothing FROM db.t"}, "line 1:8: Column 'nothing' does not exist"),
        ({"QueryString": QUERY.replace("@scheduled_runtime", "@other")}, "has the parameter @other"),
        ({"target": {**TARGET, "TableName": "nothing"}}, "The table nothing does not exist"),
        ({"target": {**TARGET, "TimeColumn": "mean"}}, "The column mean is of type DOUBLE; .* needs TIMESTAMP"),
        ({"target": {**TARGET, "TimeColumn": "x"}}, "The query has no column x"),
        ({"target": {**TARGET, "DimensionMappings": []}}, "needs at least one of DimensionMappings"),
        (
            {"target": {**TARGET, "MixedMeasureMappings": MIXED["MixedMeasureMappings"]}},
            "The target configuration needs either MultiMeasureMappings or MixedMeasureMappings",
        ),
        (
            {"target": {**TARGET, "DimensionMappings": [{"Name": "n", "DimensionValueType": "VARCHAR"}]}},
            "The column n is of type BIGINT; the target configuration needs VARCHAR",
        ),
        ({"Tags": [{"Key": "aws:x", "Value": ""}]}, "reserved for system use"),
    ],
)
def test_a_query_that_could_not_run_is_refused(query: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        query.create_scheduled_query(**request_of(**more))

    assert query.list_scheduled_queries()["ScheduledQueries"] == []


def test_a_required_partition_key_has_to_be_mapped(made: Any, query: Any) -> None:
    key = [{"Type": "DIMENSION", "Name": "rack", "EnforcementInRecord": "REQUIRED"}]
    made.create_table(DatabaseName="db", TableName="keyed", Schema={"CompositePartitionKey": key})

    with pytest.raises(ClientError, match="partition key is the dimension rack"):
        query.create_scheduled_query(**request_of(target={**TARGET, "TableName": "keyed"}))


class Stop(BaseException):
    """The process is killed."""


@pytest.mark.parametrize("happens", ["before", "after"])
def test_a_run_that_was_killed_is_made_again_and_every_row_counts_once(
    service: Service, made: Any, query: Any, monkeypatch: pytest.MonkeyPatch, happens: str
) -> None:
    arn = query.create_scheduled_query(**request_of())["Arn"]
    service.clock.now_ns += MINUTE_NS
    plain = service.writer.write

    async def killed(table: TableId, records: Sequence[WriteRecord]) -> Applied:
        if happens == "after":
            await plain(table, records)
        raise Stop

    monkeypatch.setattr(service.writer, "write", killed)
    with pytest.raises(Stop):
        run_due(service)
    monkeypatch.setattr(service.writer, "write", plain)
    ingest(made, 6.0, 35)  # so that the run has another result than the first time
    run_due(service, "another")
    early = described(query, arn)
    run_due(service)

    assert "LastRunSummary" not in early
    assert rows(query) == [["a", "2026-09-21 14:12:00.000000000", "4.0", "3"]]
    assert described(query, arn)["LastRunSummary"]["RunStatus"] == "AUTO_TRIGGER_SUCCESS"


def test_another_worker_takes_over_a_run_that_is_abandoned_and_the_first_one_cannot_end_it(
    service: Service, made: Any, query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = query.create_scheduled_query(**request_of())["Arn"]
    service.clock.now_ns += MINUTE_NS
    plain = service.writer.write

    async def slow(table: TableId, records: Sequence[WriteRecord]) -> Applied:
        monkeypatch.setattr(service.writer, "write", plain)
        service.clock.now_ns += ABANDONED_NS
        await service.endpoint.scheduled(lambda _: service.buckets, "second").run_due()
        return await plain(table, records)

    monkeypatch.setattr(service.writer, "write", slow)
    run_due(service, "first")

    found = described(query, arn)
    assert found["LastRunSummary"]["RunStatus"] == "AUTO_TRIGGER_SUCCESS"
    assert found["RecentlyFailedRuns"] == []
    assert len(rows(query)) == 1


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([Refused("log full"), TimeoutError()], "AUTO_TRIGGER_SUCCESS"),
        ([MagneticTierError("no tier")], "AUTO_TRIGGER_FAILURE"),
        ([KeyError("a bug")], "AUTO_TRIGGER_FAILURE"),
    ],
    ids=["overloaded", "no storage", "bug"],
)
def test_a_run_waits_for_a_server_that_is_overloaded_and_tells_other_failures(
    service: Service,
    made: Any,
    query: Any,
    monkeypatch: pytest.MonkeyPatch,
    errors: list[Exception],
    status: str,
) -> None:
    monkeypatch.setattr(patience, "AGAIN_AFTER_S", 0)
    arn = query.create_scheduled_query(**request_of())["Arn"]
    service.clock.now_ns += MINUTE_NS
    left, plain = list(errors), service.writer.write

    async def failing(table: TableId, records: Sequence[WriteRecord]) -> Applied:
        if left:
            raise left.pop(0)
        return await plain(table, records)

    monkeypatch.setattr(service.writer, "write", failing)
    run_due(service)

    assert (described(query, arn)["LastRunSummary"]["RunStatus"], left) == (status, [])
